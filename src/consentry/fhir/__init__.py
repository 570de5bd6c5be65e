"""A door: FHIR R4 (and any other file) in, as records."""

from consentry.fhir.bundle import records_from_bytes, records_from_file
from consentry.fhir.synthetic import synthetic_bundle

__all__ = ["records_from_bytes", "records_from_file", "synthetic_bundle"]
