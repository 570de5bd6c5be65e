"""The synthetic patient."""

from __future__ import annotations

import json
from typing import Any

from consentry.fhir import records_from_bytes, synthetic_bundle


def strings(node: Any) -> set[str]:
    if isinstance(node, dict):
        return set().union(*map(strings, node.values()))
    if isinstance(node, list):
        return set().union(*map(strings, node)) if node else set()
    return {node} if isinstance(node, str) else set()


def resources(seed: int = 1) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in json.loads(synthetic_bundle(seed))["entry"]]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert synthetic_bundle() == synthetic_bundle(1)
    assert synthetic_bundle(1) != synthetic_bundle(2)


def test_it_has_the_size_of_a_real_export() -> None:
    assert 40_000 < len(synthetic_bundle()) < 120_000


def test_it_is_nobody() -> None:
    (patient,) = [r for r in resources() if r["resourceType"] == "Patient"]
    assert patient["name"][0]["family"] == "Testperson"
    for resource in resources():
        assert [tag["code"] for tag in resource["meta"]["security"]] == ["HTEST"]


def test_every_reference_leads_somewhere_in_it() -> None:
    names = {entry["fullUrl"] for entry in json.loads(synthetic_bundle())["entry"]}
    references = {text for text in strings(resources()) if text.startswith("urn:uuid:")}
    assert references <= names
    assert len(names) == len(resources())


def test_it_holds_what_a_record_holds() -> None:
    kinds = {resource["resourceType"] for resource in resources()}
    assert kinds >= {
        "Patient", "Practitioner", "Organization", "Location", "Encounter", "Condition", "Observation",
        "DiagnosticReport", "MedicationRequest", "Procedure", "Immunization", "AllergyIntolerance",
        "CarePlan", "Claim",
    }  # fmt: skip


def test_nothing_in_it_is_labelled_and_all_of_it_is_found_without_a_flag() -> None:
    records = records_from_bytes(synthetic_bundle())
    assert [(r.kind, r.date, r.flags) for r in records] == [
        ("general", "2024-05-06", ()),
        ("mental-health", "2023-02-20", ()),
        ("substance-use", "2023-01-10", ()),
    ]


def test_the_general_record_tells_nothing_of_the_overdose_or_the_depression() -> None:
    general, *others = records_from_bytes(synthetic_bundle())
    with general.open() as stream:
        text = stream.read().decode().lower()
    for word in (
        "overdose",
        "rehabilitation",
        "drug",
        "opioid",
        "naloxone",
        "buprenorphine",
        "depression",
        "sertraline",
        "phq",
    ):
        assert word not in text
    (mental, substance) = others
    with mental.open() as one, substance.open() as two:
        assert b"sertraline" in one.read()
        assert b"naloxone" in two.read()


def test_the_other_records_need_nobody_named_in_them() -> None:
    for record in records_from_bytes(synthetic_bundle())[1:]:
        with record.open() as stream:
            entries = json.load(stream)["entry"]
        assert not {e["resource"]["resourceType"] for e in entries} & {
            "Patient",
            "Practitioner",
            "Organization",
        }
