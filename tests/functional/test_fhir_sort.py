"""Which resources of a Bundle go to which kind, and what is flagged."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.fhir import records_from_bytes
from consentry.record import Record, kinds

Json = dict[str, Any]
SNOMED = "http://snomed.info/sct"
OVERDOSE = {"coding": [{"system": SNOMED, "code": "55680006"}]}
DEPRESSION = {"coding": [{"system": SNOMED, "code": "35489007"}]}
HIV = {"coding": [{"system": SNOMED, "code": "86406008"}]}
DIABETES = {"coding": [{"system": SNOMED, "code": "44054006", "display": "Diabetes mellitus type 2"}]}


def resource(name: str, /, **body: Any) -> Json:
    """``Condition/1`` and its elements."""
    kind, _, number = name.partition("/")
    return {"resourceType": kind, "id": number, **body}


def to(name: str) -> Json:
    return {"reference": name}


def labelled(*codes: str, system: str = "v3-ActCode") -> Json:
    return {
        "security": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": c} for c in codes]
    }


def bundle(*resources: Json, **more: Any) -> bytes:
    entries = [{"fullUrl": f"urn:uuid:{r['resourceType']}-{r['id']}", "resource": r} for r in resources]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries, **more}).encode()


def sorted_by_kind(raw: bytes) -> dict[str, str]:
    found = {}
    for record in records_from_bytes(raw):
        for entry in json.loads(bytes(record.body))["entry"]:
            found[f"{entry['resource']['resourceType']}/{entry['resource']['id']}"] = record.kind
    return found


def kind_of(*resources: Json, **more: Any) -> str:
    """The kind of the first resource, among the others."""
    return sorted_by_kind(bundle(*resources, **more))[f"{resources[0]['resourceType']}/{resources[0]['id']}"]


def the(kind: str, *resources: Json, **more: Any) -> Record:
    (record,) = [r for r in records_from_bytes(bundle(*resources, **more)) if r.kind == kind]
    return record


# --- by itself --------------------------------------------------------------------------------------


def test_a_resource_without_anything_sensitive_is_general() -> None:
    assert kind_of(resource("Condition/1", code=DIABETES)) == "general"


@pytest.mark.parametrize(
    ("label", "kind"),
    [("ETH", "substance-use"), ("PSYTHPN", "mental-health"), ("HIV", "hiv"), ("SEX", "sexual-health")],
)
def test_a_labelled_resource_goes_where_its_label_says_and_is_not_flagged(label: str, kind: str) -> None:
    record = the(kind, resource("Condition/1", code=DIABETES, meta=labelled(label)))
    assert record.flags == ()


def test_a_listed_code_decides_wherever_it_stands_and_is_not_flagged() -> None:
    deep = resource("Claim/1", item=[{"detail": [{"productOrService": OVERDOSE}]}])
    assert the("substance-use", deep).flags == ()


def test_a_contained_resource_counts() -> None:
    inside = resource("MedicationRequest/1", contained=[resource("Medication/m", code=HIV)])
    assert kind_of(inside) == "hiv"


def test_what_only_its_text_tells_goes_to_that_kind_and_is_flagged() -> None:
    note = resource("Observation/1", note=[{"text": "Patient admits to heroin use"}])
    assert the("substance-use", note).flags == ("unlabelled but looks sensitive: 'heroin': Observation (1)",)


def test_the_narrative_counts() -> None:
    narrative = {"status": "generated", "div": "<div>Found after <b>heroin</b></div>"}
    assert kind_of(resource("Encounter/1", text=narrative)) == "substance-use"


def test_of_two_kinds_the_more_restrictive_decides_and_the_record_says_so() -> None:
    both = resource("Encounter/1", reasonCode=[DEPRESSION, OVERDOSE])
    assert the("substance-use", both).flags == ("also mental-health (code 35489007): Encounter (1)",)


def test_a_restricted_resource_without_a_sensitivity_is_flagged() -> None:
    hidden = resource("Condition/1", code=DIABETES, meta=labelled("R", system="v3-Confidentiality"))
    assert the("general", hidden).flags == (
        "labelled R, which says no kind: check where it belongs: Condition (1)",
    )


def test_a_sensitivity_that_no_kind_stands_for_is_flagged() -> None:
    genetic = resource("Condition/1", code=DIABETES, meta=labelled("GDIS"))
    assert "labelled GDIS" in the("general", genetic).flags[0]


# --- attachments ------------------------------------------------------------------------------------


def attached(media_type: str, text: str) -> Json:
    data = base64.b64encode(text.encode()).decode()
    return resource(
        "DocumentReference/1", content=[{"attachment": {"contentType": media_type, "data": data}}]
    )


@pytest.mark.parametrize(
    "media_type", ["text/plain; charset=utf-8", "text/html", "application/xml", "application/rtf"]
)
def test_a_text_attachment_is_looked_into(media_type: str) -> None:
    assert kind_of(attached(media_type, "History of heroin use")) == "substance-use"
    assert the("general", attached(media_type, "Diabetes")).flags == ()


def test_an_attachment_that_cannot_be_looked_into_is_flagged() -> None:
    assert the("general", attached("application/pdf", "%PDF-1.7")).flags == (
        "not looked into: an attachment of type application/pdf: DocumentReference (1)",
    )


def test_an_attachment_without_a_type_is_flagged() -> None:
    nameless = resource("DocumentReference/1", content=[{"attachment": {"data": "aGVyb2lu"}}])
    assert "unknown type" in the("general", nameless).flags[0]


def test_a_document_goes_with_the_binary_that_it_points_to() -> None:
    binary = resource("Binary/b", contentType="text/plain", data=base64.b64encode(b"heroin").decode())
    document = resource("DocumentReference/1", content=[{"attachment": {"url": "Binary/b"}}])
    assert kind_of(document, binary) == "substance-use"


def test_a_binary_goes_with_the_document_that_points_to_it() -> None:
    binary = resource("Binary/b", contentType="application/pdf", data="AAAA")
    document = resource("DocumentReference/1", type=HIV, content=[{"attachment": {"url": "Binary/b"}}])
    assert kind_of(binary, document) == "hiv"


def test_sampled_data_is_no_attachment() -> None:
    sampled = {"origin": {"value": 0}, "period": 10, "dimensions": 1, "data": "1 2 3 E U"}
    assert the("general", resource("Observation/1", valueSampledData=sampled)).flags == ()


# --- by reference -----------------------------------------------------------------------------------

CONDITION = resource("Condition/c", code=OVERDOSE)
ENCOUNTER = resource("Encounter/e", reasonCode=[OVERDOSE])


@pytest.mark.parametrize(
    "target",
    ["urn:uuid:Condition-c", "Condition/c", "Condition/c/_history/2", "https://ehr.example/fhir/Condition/c"],
)
def test_what_refers_to_a_sensitive_resource_goes_with_it(target: str) -> None:
    assert (
        kind_of(resource("Encounter/1", diagnosis=[{"condition": to(target)}]), CONDITION) == "substance-use"
    )


def test_a_logical_reference_counts() -> None:
    known = {"system": "urn:example", "value": "c-77"}
    condition = resource("Condition/c", code=OVERDOSE, identifier=[known])
    pointing = resource("Procedure/1", reasonReference=[{"identifier": known}])
    assert kind_of(pointing, condition) == "substance-use"


@pytest.mark.parametrize(
    "pointing",
    [
        resource("Observation/1", encounter=to("Encounter/e")),
        resource("Procedure/1", encounter=to("Encounter/e")),
        resource("Immunization/1", encounter=to("Encounter/e")),
        resource("CarePlan/1", addresses=[to("Condition/c")]),
        resource("Claim/1", diagnosis=[{"diagnosisReference": to("Condition/c")}]),
        resource("Claim/1", item=[{"encounter": [to("Encounter/e")]}]),
        resource("MedicationRequest/1", reasonReference=[to("Condition/c")]),
        resource("DocumentReference/1", context={"encounter": [to("Encounter/e")]}),
        resource("Provenance/1", target=[to("Condition/c")]),
        resource("Composition/1", section=[{"entry": [to("Condition/c")]}]),
    ],
    ids=lambda r: f"{r['resourceType']}-{list(r)[2]}",
)
def test_what_belongs_to_the_overdose_goes_with_it(pointing: Json) -> None:
    assert kind_of(pointing, CONDITION, ENCOUNTER) == "substance-use"
    assert kind_of(pointing) == "general"


def test_references_are_followed_over_any_number_of_steps() -> None:
    chain = [resource(f"Observation/{n}", derivedFrom=[to(f"Observation/{n + 1}")]) for n in range(50)]
    assert set(sorted_by_kind(bundle(*chain, resource("Observation/50", code=HIV))).values()) == {"hiv"}


def test_a_ring_of_references_comes_to_an_end() -> None:
    one = resource("Observation/1", derivedFrom=[to("Observation/2")])
    two = resource("Observation/2", derivedFrom=[to("Observation/1")], code=HIV)
    assert kind_of(one, two) == "hiv"


def test_a_claim_goes_with_the_prescription_and_the_benefit_with_the_claim() -> None:
    prescription = resource("MedicationRequest/m", medicationCodeableConcept={"text": "methadone 10 MG"})
    claim = resource("Claim/1", prescription=to("MedicationRequest/m"))
    benefit = resource("ExplanationOfBenefit/1", claim=to("Claim/1"))
    assert kind_of(benefit, claim, prescription) == "substance-use"


def test_the_results_of_a_sensitive_report_go_with_it() -> None:
    report = resource("DiagnosticReport/1", code=HIV, result=[to("Observation/1")])
    assert kind_of(resource("Observation/1"), report) == "hiv"


def test_the_other_results_of_a_report_stay_when_only_one_is_sensitive() -> None:
    report = resource("DiagnosticReport/1", result=[to("Observation/1"), to("Observation/2")])
    plain, telling = resource("Observation/1"), resource("Observation/2", code=HIV)
    assert sorted_by_kind(bundle(plain, telling, report)) == {
        "Observation/1": "general",
        "Observation/2": "hiv",
        "DiagnosticReport/1": "hiv",
    }


def test_what_a_sensitive_resource_merely_refers_to_stays() -> None:
    condition = resource("Condition/c", code=OVERDOSE, encounter=to("Encounter/1"))
    assert kind_of(resource("Encounter/1"), condition) == "general"


def test_the_most_restrictive_of_all_that_is_referred_to_decides() -> None:
    pointing = resource("Claim/1", item=[{"encounter": [to("Encounter/e"), to("Observation/h")]}])
    assert kind_of(pointing, ENCOUNTER, resource("Observation/h", code=HIV)) == "hiv"


def test_a_contained_id_is_no_name_for_others() -> None:
    telling = resource("Claim/1", item=[{"code": OVERDOSE}], contained=[resource("Coverage/own")])
    assert kind_of(resource("Claim/2", insurance=[{"coverage": to("Coverage/own")}]), telling) == "general"


# --- who and where ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Patient", "Practitioner", "Organization", "Location", "PractitionerRole"])
def test_who_and_where_stay_general_whatever_they_refer_to(kind: str) -> None:
    assert (
        kind_of(resource(f"{kind}/1", extension=[{"valueReference": to("Condition/c")}]), CONDITION)
        == "general"
    )


def test_nothing_is_sensitive_only_because_of_its_patient_or_hospital() -> None:
    clinic = resource("Organization/o", name="Example Methadone Clinic")
    patient = resource("Patient/p", meta=labelled("HIV"))
    visit = resource("Encounter/1", subject=to("Patient/p"), serviceProvider=to("Organization/o"))
    assert kind_of(visit, clinic, patient) == "general"


def test_a_clinic_whose_name_tells_is_not_named_in_general() -> None:
    clinic = resource("Organization/o", name="Example Methadone Clinic")
    assert kind_of(clinic) == "substance-use"


def test_the_patient_stays_general_and_is_flagged() -> None:
    patient = resource("Patient/p", extension=[{"url": "urn:example", "valueString": "sexual orientation"}])
    assert the("general", patient).flags == (
        "unlabelled but looks sensitive: 'sexual' (stays here): Patient (1)",
    )


# --- the whole Bundle -------------------------------------------------------------------------------


def test_a_label_of_the_whole_bundle_that_no_entry_explains_holds_for_all() -> None:
    found = sorted_by_kind(
        bundle(resource("Patient/p"), resource("Condition/1", code=DIABETES), meta=labelled("ETH"))
    )
    assert found == {"Patient/p": "general", "Condition/1": "substance-use"}


def test_a_label_of_the_whole_bundle_that_an_entry_explains_holds_for_that_entry() -> None:
    assert kind_of(resource("Condition/1", code=DIABETES), CONDITION, meta=labelled("ETH")) == "general"


def test_a_restricted_bundle_is_flagged() -> None:
    record = the("general", resource("Condition/1"), meta=labelled("V", system="v3-Confidentiality"))
    assert "labelled V" in record.flags[0]


names = st.sampled_from([f"{kind}/{n}" for kind in ("Condition", "Encounter", "Patient") for n in range(4)])
codes = st.sampled_from([DIABETES, OVERDOSE, DEPRESSION, HIV])


@settings(deadline=None)
@given(st.dictionaries(names, st.tuples(codes, st.lists(names, max_size=3)), min_size=1))
def test_nothing_general_ever_refers_to_something_sensitive(
    graph: dict[str, tuple[Json, list[str]]],
) -> None:
    made = [
        resource(name, code=code, derivedFrom=list(map(to, refs))) for name, (code, refs) in graph.items()
    ]
    found = sorted_by_kind(bundle(*made))
    order = {kind.name: kind.order for kind in kinds()}
    assert found.keys() == graph.keys()
    for name, (_, references) in graph.items():
        for target in references:
            if target in graph and not name.startswith("Patient") and not target.startswith("Patient"):
                assert order[found[name]] >= order[found[target]]
