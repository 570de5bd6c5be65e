"""FHIR bundles for tests."""

from __future__ import annotations

# One observation, with nothing sensitive in it.
PLAIN = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "resource": {
                "resourceType": "Observation",
                "id": "weight",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
                "effectiveDateTime": "2026-01-15",
            }
        }
    ],
}
