"""What attackers try, and what stops them; docs/assurance.md is the table of both."""
