"""Code lists, labels and words."""

from __future__ import annotations

import re

import pytest

from consentry.fhir.codes import CODE, LABEL, TEXT, hits_of_code, hits_of_text, system_name
from consentry.record import kinds, table

SNOMED = "http://snomed.info/sct"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def kinds_of(system: str, code: str) -> set[str]:
    return {hit.kind for hit in hits_of_code(system, code)}


def said(text: str) -> set[str]:
    return {hit.kind for hit in hits_of_text(text)}


@pytest.mark.parametrize(
    ("system", "code", "kind"),
    [
        (SNOMED, "55680006", "substance-use"),
        (SNOMED, "56876005", "substance-use"),
        (SNOMED, "75544000:246112005=24484000", "substance-use"),
        (ICD_10_CM, "F11.20", "substance-use"),
        (ICD_10_CM, "f1120", "substance-use"),
        (ICD_10_CM, "T40.1X1A", "substance-use"),
        ("urn:oid:2.16.840.1.113883.6.90", "F10.10", "substance-use"),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "F10.2", "substance-use"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "7242", "substance-use"),
        ("http://loinc.org", "19295-5", "substance-use"),
        ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "H0020", "substance-use"),
        (SNOMED, "35489007", "mental-health"),
        (ICD_10_CM, "F33.1", "mental-health"),
        ("http://loinc.org", "44261-6", "mental-health"),
        ("http://www.ama-assn.org/go/cpt", "90837", "mental-health"),
        ("http://www.whocc.no/atc", "N06AB06", "mental-health"),
        (SNOMED, "86406008", "hiv"),
        (ICD_10_CM, "B20", "hiv"),
        (ICD_10_CM, "Z21", "hiv"),
        ("http://loinc.org", "75622-1", "hiv"),
        (SNOMED, "76272004", "sexual-health"),
        (ICD_10_CM, "A54.00", "sexual-health"),
        ("http://www.ama-assn.org/go/cpt", "59840", "sexual-health"),
        ("http://loinc.org", "76690-7", "sexual-health"),
    ],
)
def test_a_listed_code_has_its_kind(system: str, code: str, kind: str) -> None:
    assert {(hit.kind, hit.how) for hit in hits_of_code(system, code)} == {(kind, CODE)}


@pytest.mark.parametrize(
    ("code", "kind"),
    [("F64.0", "sexual-health"), ("F60.5", "mental-health"), ("F02.4", "hiv"), ("F02.80", "mental-health")],
)
def test_the_most_specific_row_decides(code: str, kind: str) -> None:
    assert kinds_of(ICD_10_CM, code) == {kind}


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (ICD_10_CM, "F17.210"),  # tobacco
        (ICD_10_CM, "E11.9"),
        (SNOMED, "44054006"),
        (SNOMED, "5568000"),
        ("http://unitsofmeasure.org", "B20"),
        ("http://example.org/local", "55680006"),
        ("http://loinc.org", "72166-2"),
    ],
)
def test_other_codes_have_no_kind(system: str, code: str) -> None:
    assert kinds_of(system, code) == set()


@pytest.mark.parametrize(
    ("code", "kind"), [("55680006", "substance-use"), ("B20", "hiv"), ("F32.1", "mental-health")]
)
def test_a_code_without_a_system_counts_as_text(code: str, kind: str) -> None:
    assert {(hit.kind, hit.how) for hit in hits_of_code("", code)} == {(kind, TEXT)}


@pytest.mark.parametrize("code", ["finished", "1234", "1819", "AMB", "M"])
def test_a_word_or_a_short_number_without_a_system_is_no_code(code: str) -> None:
    assert hits_of_code("", code) == frozenset()


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("ETH", "substance-use"),
        ("42CFRPart2", "substance-use"),
        ("PSY", "mental-health"),
        ("HIV", "hiv"),
        ("STD", "sexual-health"),
        ("SDV", "sexual-health"),
    ],
)
def test_a_sensitivity_label_has_its_kind(label: str, kind: str) -> None:
    for system in (ACT_CODE, "http://hl7.org/fhir/v3/ActCode", "urn:oid:2.16.840.1.113883.5.4"):
        assert {(hit.kind, hit.how) for hit in hits_of_code(system, label)} == {(kind, LABEL)}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Heroin overdose, found by a neighbour", "substance-use"),
        ("drug  REHABILITATION", "substance-use"),
        ("alcohol\u00adism", "substance-use"),
        ("<div>Alcohol <b>dependence</b></div>", "substance-use"),
        ("Narcan given", "substance-use"),
        ("opioid-use disorder", "substance-use"),
        ("feels &#100;epressed", "mental-health"),
        ("self\u2013harm", "mental-health"),
        ("PTSD", "mental-health"),
        ("ＨＩＶ positive", "hiv"),
        ("HIV-1 RNA", "hiv"),
        ("known AIDS", "hiv"),
        ("syphilis serology", "sexual-health"),
        ("oral contraceptive", "sexual-health"),
        ("victim of domestic violence", "sexual-health"),
    ],
)
def test_sensitive_words_are_seen(text: str, kind: str) -> None:
    assert kind in said(text)
    assert all(hit.how == TEXT for hit in hits_of_text(text))


HARMLESS = (
    "ST segment depression in V4",
    "respiratory depression after surgery",
    "bilateral hearing aids",
    "first aid",
    "Never smoked tobacco",
    "nicotine dependence, cigarettes",
    "cardiac rehabilitation",
    "HPV, quadrivalent vaccine",
    "Chlamydia pneumoniae pneumonia",
    "photophobia",
    "isopropyl alcohol wipe",
    "drug-induced lupus",
    "premature separation of placenta",
    "oxygen dependence",
    "Encounter for check up (procedure)",
    "Body Mass Index",
    "urn:uuid:7cba8b20-4ade-4aae-8642-f58db31757bd",
    "",
)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_alike_is_not_seen(text: str) -> None:
    assert said(text) == set()


@pytest.mark.parametrize("text", HARMLESS)
def test_what_looks_alike_hides_nothing_beside_it(text: str) -> None:
    assert said(f"{text} and heroin") == {"substance-use"}
    assert said(f"Heroin and {text}") == {"substance-use"}
    assert said(f"HIV, {text}") == {"hiv"}


@pytest.mark.parametrize(
    "text",
    [
        "tobacco and heroin dependence",
        "systolic <90 after heroin, heart rate >100",
        "<heroin>",
        "HPV and syphilis, vaccine refused",
        "isopropyl alcohol abuse",
    ],
)
def test_nothing_sensitive_is_taken_for_a_tag_or_for_harmless(text: str) -> None:
    assert said(text)


def test_every_code_names_a_system_that_is_known_and_a_source() -> None:
    systems = {row["system"] for row in table("systems.csv")}
    for kind in kinds()[1:]:
        rows = table(f"codes-{kind.name}.csv")
        assert len(rows) > 100
        for row in rows:
            assert row["system"] in systems, row
            assert row["display"], row
            assert row["source"], row
        keys = [(row["system"], row["code"]) for row in rows]
        assert len(keys) == len(set(keys))


def test_every_snomed_and_loinc_code_has_a_good_check_digit() -> None:
    assert not _verhoeff("55680007")
    assert not _mod_10("44261-5")
    for kind in kinds()[1:]:
        for row in table(f"codes-{kind.name}.csv"):
            if row["system"] == "snomed":
                assert _verhoeff(row["code"]), row
            if row["system"] == "loinc":
                assert _mod_10(row["code"]), row


def test_every_code_of_a_list_has_its_kind() -> None:
    uris = {"snomed": SNOMED, "icd-10": ICD_10_CM, "loinc": "http://loinc.org"}
    for kind in kinds()[1:]:
        for row in table(f"codes-{kind.name}.csv"):
            if row["system"] in uris:
                assert kind.name in kinds_of(uris[row["system"]], row["code"].replace("*", "")), row


def test_every_word_is_a_good_expression_of_a_known_kind() -> None:
    names = {"", *(kind.name for kind in kinds()[1:])}
    for row in table("words.csv"):
        assert row["kind"] in names
        assert not re.compile(row["word"], re.IGNORECASE).search(""), row


def test_a_system_is_known_by_uri_and_by_oid() -> None:
    assert system_name("http://snomed.info/sct/731000124108/version/20250301") == "snomed"
    assert system_name("urn:oid:2.16.840.1.113883.6.96") == "snomed"
    assert system_name("http://hl7.org/fhir/sid/icd-10-pcs") == "icd-10-pcs"
    assert system_name("http://hl7.org/fhir/sid/icd-9-cm") == "icd-9"
    assert system_name("http://unitsofmeasure.org") == ""


def _verhoeff(code: str) -> bool:
    """SNOMED CT's check digit (Technical Implementation Guide, appendix on SCTIDs)."""
    permute = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for place, digit in enumerate(reversed([int(c) for c in code])):
        for _ in range(place % 8):
            digit = permute[digit]
        check = _dihedral(check, digit)
    return check == 0


def _dihedral(a: int, b: int) -> int:
    turned = (a % 5 - b % 5 if a > 4 else a % 5 + b % 5) % 5
    return turned + 5 * (a // 5 ^ b // 5)


def _mod_10(code: str) -> bool:
    """LOINC's check digit (LOINC Users' Guide, appendix on the mod 10 algorithm)."""
    number, _, check = code.partition("-")
    odd, even = number[::-1][::2], number[::-1][1::2]
    digits = str(int(odd[::-1]) * 2) + even[::-1]
    return -sum(map(int, digits)) % 10 == int(check)
