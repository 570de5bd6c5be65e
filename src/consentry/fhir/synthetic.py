"""A synthetic patient: a FHIR R4 Bundle for demonstrations and tests. Nobody in it exists.

One adult with check-ups, a fracture, diabetes and a migraine, and, in between, an overdose with
rehabilitation and a depression. Nothing carries a security label, so sorting has to find it.
"""

from __future__ import annotations

import json
import random
import uuid

from consentry.fhir.story import (
    CONDITIONS,
    ENCOUNTERS,
    IMMUNIZATIONS,
    LABS,
    LOCATION,
    MEDICATIONS,
    ORGANIZATION,
    PATIENT,
    PRACTITIONER,
    PROCEDURES,
    VITALS,
    Json,
)

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem/"


def synthetic_bundle(seed: int = 1) -> bytes:
    """Gives the Bundle (type ``collection``, UTF-8 JSON, 40 to 120 KB), the same for the same ``seed``.

    The seed changes ids and measured values; who, when and what stay.
    """
    return _Writer(random.Random(seed)).bundle()  # noqa: S311, nothing secret depends on it


class _Writer:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._entries: list[Json] = []
        self._patient = self._directory()
        self._encounters = {name: self._encounter(name) for name in ENCOUNTERS}
        self._conditions = {row[1]: self._condition(*row) for row in CONDITIONS}

    def bundle(self) -> bytes:
        for name in ENCOUNTERS:
            self._observations(name)
        for medication in MEDICATIONS:
            self._medication(*medication)
        for procedure in PROCEDURES:
            self._procedure(*procedure)
        for immunization in IMMUNIZATIONS:
            self._immunization(*immunization)
        self._allergy()
        self._care_plan()
        self._questionnaire_score()
        for name in ENCOUNTERS:
            self._claim(name)
        entries = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in self._entries)
        return f'{{"resourceType": "Bundle", "type": "collection", "entry": [\n{entries}\n]}}\n'.encode()

    # --- who and where ---

    def _directory(self) -> str:
        patient = self._add("Patient", PATIENT)
        self._organization = self._add("Organization", ORGANIZATION)
        self._practitioner = self._add("Practitioner", PRACTITIONER)
        place = {"managingOrganization": {"reference": self._organization}}
        self._location = self._add("Location", LOCATION | place)
        return patient

    # --- what happened ---

    def _encounter(self, name: str) -> str:
        day, hours, where, kind, reason = ENCOUNTERS[name]
        body: Json = {
            "status": "finished",
            "class": {"system": HL7 + "v3-ActCode", "code": where},
            "type": [_concept(SNOMED, *kind)],
            "subject": {"reference": self._patient},
            "participant": [{"individual": {"reference": self._practitioner}}],
            "period": {"start": _at(day, 8), "end": _at(day, 8 + hours)},
            "location": [{"location": {"reference": self._location}}],
            "serviceProvider": {"reference": self._organization},
        }
        if reason:
            body["reasonCode"] = [_concept(SNOMED, *reason)]
        return self._add("Encounter", body)

    def _condition(self, encounter: str, code: str, display: str, status: str) -> str:
        day = ENCOUNTERS[encounter][0]
        body: Json = {
            "clinicalStatus": _concept(HL7 + "condition-clinical", status),
            "verificationStatus": _concept(HL7 + "condition-ver-status", "confirmed"),
            "category": [_concept(HL7 + "condition-category", "encounter-diagnosis")],
            "code": _concept(SNOMED, code, display),
            **self._about(encounter),
            "onsetDateTime": _at(day, 8),
            "recordedDate": _at(day, 8),
        }
        if status != "active":
            body["abatementDateTime"] = _at("2023-01-10", 8)
        return self._add("Condition", body)

    def _observations(self, encounter: str) -> None:
        checkup = encounter.startswith("checkup")
        for row in VITALS if checkup else VITALS[2:]:
            self._observation(encounter, "vital-signs", *row)
        self._blood_pressure(encounter)
        if checkup:
            results = [self._observation(encounter, "laboratory", *row) for row in LABS]
            self._report(encounter, results)

    def _observation(
        self, encounter: str, category: str, code: str, display: str, unit: str, *span: float
    ) -> str:
        low, high, decimals = span
        value = round(self._rng.uniform(low, high), int(decimals)) if decimals else self._rng.randint(
            int(low), int(high)
        )  # fmt: skip
        quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
        return self._observed(encounter, category, code, display, {"valueQuantity": quantity})

    def _blood_pressure(self, encounter: str) -> None:
        parts = [
            ("8480-6", "Systolic blood pressure", 104, 139),
            ("8462-4", "Diastolic blood pressure", 66, 88),
        ]
        component = [
            {
                "code": _concept(LOINC, code, display),
                "valueQuantity": {
                    "value": self._rng.randint(low, high), "unit": "mm[Hg]", "system": UCUM, "code": "mm[Hg]",
                },
            }
            for code, display, low, high in parts
        ]  # fmt: skip
        self._observed(encounter, "vital-signs", "85354-9", "Blood pressure panel", {"component": component})

    def _questionnaire_score(self) -> None:
        score = {"value": 8, "unit": "{score}", "system": UCUM, "code": "{score}"}
        self._observed(
            "depression", "survey", "44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score",
            {"valueQuantity": score},
        )  # fmt: skip

    def _observed(self, encounter: str, category: str, code: str, display: str, value: Json) -> str:
        day = ENCOUNTERS[encounter][0]
        return self._add("Observation", {
            "status": "final",
            "category": [_concept(HL7 + "observation-category", category)],
            "code": _concept(LOINC, code, display),
            **self._about(encounter),
            "effectiveDateTime": _at(day, 8),
            "issued": _at(day, 8),
            **value,
        })  # fmt: skip

    def _report(self, encounter: str, results: list[str]) -> None:
        day = ENCOUNTERS[encounter][0]
        self._add("DiagnosticReport", {
            "status": "final",
            "category": [_concept(HL7 + "v2-0074", "LAB", "Laboratory")],
            "code": _concept(LOINC, "24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma"),
            **self._about(encounter),
            "effectiveDateTime": _at(day, 8),
            "issued": _at(day, 9),
            "performer": [{"reference": self._organization}],
            "result": [{"reference": result} for result in results],
        })  # fmt: skip

    def _medication(self, encounter: str, code: str, display: str, status: str, condition: str) -> None:
        self._add("MedicationRequest", {
            "status": status,
            "intent": "order",
            "medicationCodeableConcept": _concept(RXNORM, code, display),
            **self._about(encounter),
            "authoredOn": _at(ENCOUNTERS[encounter][0], 8),
            "requester": {"reference": self._practitioner},
            "reasonReference": [{"reference": self._conditions[condition]}],
            "dosageInstruction": [{"text": "As directed", "timing": {"repeat": {
                "frequency": 1, "period": 1, "periodUnit": "d",
            }}}],
        })  # fmt: skip

    def _procedure(self, encounter: str, code: str, display: str) -> None:
        day = ENCOUNTERS[encounter][0]
        self._add("Procedure", {
            "status": "completed",
            "code": _concept(SNOMED, code, display),
            **self._about(encounter),
            "performedPeriod": {"start": _at(day, 8), "end": _at(day, 9)},
            "performer": [{"actor": {"reference": self._practitioner}}],
        })  # fmt: skip

    def _immunization(self, encounter: str, code: str, display: str) -> None:
        self._add("Immunization", {
            "status": "completed",
            "vaccineCode": _concept(CVX, code, display),
            "patient": {"reference": self._patient},
            "encounter": {"reference": self._encounters[encounter]},
            "occurrenceDateTime": _at(ENCOUNTERS[encounter][0], 8),
            "primarySource": True,
        })  # fmt: skip

    def _allergy(self) -> None:
        self._add("AllergyIntolerance", {
            "clinicalStatus": _concept(HL7 + "allergyintolerance-clinical", "active"),
            "verificationStatus": _concept(HL7 + "allergyintolerance-verification", "confirmed"),
            "type": "allergy",
            "category": ["food"],
            "criticality": "low",
            "code": _concept(SNOMED, "91935009", "Allergy to peanut (finding)"),
            "patient": {"reference": self._patient},
            "recordedDate": _at("2021-03-15", 8),
        })  # fmt: skip

    def _care_plan(self) -> None:
        steps = [("61480009", "Drug detoxification (regime/therapy)"),
                 ("266707007", "Drug addiction therapy (regime/therapy)")]  # fmt: skip
        self._add("CarePlan", {
            "status": "completed",
            "intent": "plan",
            "category": [_concept(SNOMED, "734163000", "Care plan (record artifact)")],
            **self._about("rehabilitation"),
            "period": {"start": _at("2022-09-05", 8), "end": _at("2023-01-10", 8)},
            "addresses": [{"reference": self._conditions["75544000"]}],
            "activity": [
                {"detail": {"code": _concept(SNOMED, *step), "status": "completed"}} for step in steps
            ],
        })  # fmt: skip

    def _claim(self, encounter: str) -> None:
        day, hours, where, kind, reason = ENCOUNTERS[encounter]
        body: Json = {
            "status": "active",
            "type": _concept(HL7 + "claim-type", "institutional"),
            "use": "claim",
            "patient": {"reference": self._patient},
            "billablePeriod": {"start": _at(day, 8), "end": _at(day, 8 + hours)},
            "created": _at(day, 8 + hours),
            "provider": {"reference": self._organization},
            "priority": _concept(HL7 + "processpriority", "normal"),
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "Example Insurance"}}],
            "item": [{
                "sequence": 1,
                "productOrService": _concept(SNOMED, *kind),
                "encounter": [{"reference": self._encounters[encounter]}],
            }],
            "total": {"value": 125 if where == "AMB" else 1250, "currency": "USD"},
        }  # fmt: skip
        if reason and reason[0] in self._conditions:
            condition = {"reference": self._conditions[reason[0]]}
            body["diagnosis"] = [{"sequence": 1, "diagnosisReference": condition}]
        self._add("Claim", body)

    # --- how it is written ---

    def _about(self, encounter: str) -> Json:
        return {
            "subject": {"reference": self._patient},
            "encounter": {"reference": self._encounters[encounter]},
        }

    def _add(self, kind: str, body: Json) -> str:
        name = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        tag = [{"system": HL7 + "v3-ActReason", "code": "HTEST", "display": "test health data"}]
        resource = {"resourceType": kind, "id": name, "meta": {"security": tag}, **body}
        self._entries.append({"fullUrl": f"urn:uuid:{name}", "resource": resource})
        return f"urn:uuid:{name}"


def _concept(system: str, code: str, display: str = "") -> Json:
    coding = {"system": system, "code": code}
    return {"coding": [coding | {"display": display}], "text": display} if display else {"coding": [coding]}


def _at(day: str, hour: int) -> str:
    return f"{day}T{hour:02}:00:00+00:00"
