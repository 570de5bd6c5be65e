module consentry/tools/hpke

go 1.26.4
