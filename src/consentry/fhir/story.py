"""Who the synthetic patient is and what happened to her; ``synthetic`` writes it as FHIR."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

# name: day, hours, class, type, reason (SNOMED code and display)
ENCOUNTERS: dict[str, tuple[str, int, str, tuple[str, str], tuple[str, str] | None]] = {
    "checkup-2021": ("2021-03-15", 1, "AMB", ("185349003", "Encounter for check up (procedure)"), None),
    "fracture": (
        "2021-11-08", 2, "EMER", ("50849002", "Emergency room admission (procedure)"),
        ("16114001", "Fracture of ankle (disorder)"),
    ),
    "checkup-2022": ("2022-04-11", 1, "AMB", ("185349003", "Encounter for check up (procedure)"), None),
    "overdose": (
        "2022-08-19", 9, "EMER", ("50849002", "Emergency room admission (procedure)"),
        ("55680006", "Drug overdose (disorder)"),
    ),
    "rehabilitation": (
        "2022-09-05", 6, "IMP", ("56876005", "Drug rehabilitation and detoxification (regime/therapy)"),
        ("55680006", "Drug overdose (disorder)"),
    ),
    "depression": (
        "2023-02-20", 1, "AMB", ("185345009", "Encounter for symptom (procedure)"),
        ("310495003", "Mild depression (disorder)"),
    ),
    "migraine": (
        "2023-09-12", 1, "AMB", ("185345009", "Encounter for symptom (procedure)"),
        ("37796009", "Migraine (disorder)"),
    ),
    "checkup-2024": ("2024-05-06", 1, "AMB", ("185349003", "Encounter for check up (procedure)"), None),
}  # fmt: skip

# encounter, code, display, clinical status
CONDITIONS = (
    ("checkup-2021", "44054006", "Diabetes mellitus type 2 (disorder)", "active"),
    ("fracture", "16114001", "Fracture of ankle (disorder)", "resolved"),
    ("overdose", "55680006", "Drug overdose (disorder)", "resolved"),
    ("rehabilitation", "75544000", "Opioid dependence (disorder)", "remission"),
    ("depression", "310495003", "Mild depression (disorder)", "active"),
    ("migraine", "37796009", "Migraine (disorder)", "active"),
)

# encounter, code, display, status, the condition it is for
MEDICATIONS = (
    ("checkup-2021", "861007", "metformin hydrochloride 500 MG Oral Tablet", "active", "44054006"),
    ("fracture", "313782", "acetaminophen 325 MG Oral Tablet", "completed", "16114001"),
    ("overdose", "1725059", "naloxone hydrochloride 40 MG/ML Nasal Spray", "completed", "55680006"),
    ("rehabilitation", "351267", "buprenorphine 8 MG / naloxone 2 MG Sublingual Tablet", "completed",
     "75544000"),
    ("depression", "312941", "sertraline 50 MG Oral Tablet", "active", "310495003"),
    ("migraine", "313165", "sumatriptan 50 MG Oral Tablet", "active", "37796009"),
)  # fmt: skip

# encounter, code, display
PROCEDURES = (
    ("fracture", "305428000", "Admission to orthopedic department (procedure)"),
    ("fracture", "274474001", "Bone immobilization (procedure)"),
    ("overdose", "430193006", "Medication reconciliation (procedure)"),
    ("rehabilitation", "60112009", "Drug addiction counseling (procedure)"),
    ("checkup-2024", "134287002", "Retinal photography (procedure)"),
)

# code, display, unit, low, high, decimals
VITALS = (
    ("8302-2", "Body height", "cm", 171, 172, 1),
    ("29463-7", "Body weight", "kg", 76, 84, 1),
    ("8867-4", "Heart rate", "/min", 58, 84, 0),
    ("9279-1", "Respiratory rate", "/min", 12, 18, 0),
    ("8310-5", "Body temperature", "Cel", 36.1, 37.2, 1),
)
LABS = (
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 6.1, 7.4, 1),
    ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", 92, 148, 0),
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 165, 224, 0),
    ("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "mg/dL", 38, 62, 0),
    ("38483-4", "Creatinine [Mass/volume] in Blood", "mg/dL", 0.7, 1.2, 2),
)

# encounter, CVX code, display
IMMUNIZATIONS = (
    ("checkup-2021", "150", "influenza, injectable, quadrivalent, preservative free"),
    ("checkup-2022", "113", "Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed"),
    ("checkup-2024", "150", "influenza, injectable, quadrivalent, preservative free"),
)

PATIENT: Json = {
    "identifier": [{"system": "urn:oid:2.999.1", "value": "SYNTHETIC-0001"}],
    "active": True,
    "name": [{"use": "official", "family": "Testperson", "given": ["Zoë", "Synthetic"]}],
    "telecom": [{"system": "phone", "value": "555-0100", "use": "home"}],
    "gender": "female",
    "birthDate": "1988-02-29",
    "address": [{"line": ["1 Example Street"], "city": "Sampletown", "postalCode": "00000"}],
}
ORGANIZATION: Json = {
    "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}],
    "active": True,
    "name": "Example General Hospital (synthetic)",
    "address": [{"line": ["2 Example Street"], "city": "Sampletown", "postalCode": "00000"}],
}
PRACTITIONER: Json = {
    "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999999995"}],
    "active": True,
    "name": [{"family": "Testclinician", "given": ["Adam"], "prefix": ["Dr."]}],
}
LOCATION: Json = {"status": "active", "name": "Example General Hospital, outpatients (synthetic)"}
