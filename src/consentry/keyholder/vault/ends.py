"""What has ended: grants that were stopped here, and this group of keyholders itself."""

from __future__ import annotations

from sqlalchemy import insert, select

from consentry.keyholder.vault.database import Database
from consentry.keyholder.vault.tables import closed, stops


class Ends:
    """A vault's stops, and whether others come after its group of keyholders."""

    _data: Database
    generation: str

    def shut(self) -> None:
        """From now on nothing new is taken but stops, for ever: others come after this group."""
        with self._data.writing() as connection:
            if not self.closed():
                connection.execute(insert(closed), {"generation": self.generation})

    def closed(self) -> bool:
        """Whether nothing new is taken any more but stops."""
        asked = select(closed.c.generation).filter_by(generation=self.generation)
        with self._data.reading() as connection:
            return connection.scalar(asked) is not None

    def add_stop(self, patient: bytes, grant_id: bytes, signature: bytes) -> None:
        """Holds a signed revocation."""
        with self._data.writing() as connection:
            if not self.stopped(patient, grant_id):
                values = {"patient": patient, "grant_id": grant_id, "signature": signature}
                connection.execute(insert(stops), values)

    def stopped(self, patient: bytes, grant_id: bytes) -> bool:
        """Whether the grant was stopped here."""
        asked = select(stops.c.patient).filter_by(patient=patient, grant_id=grant_id)
        with self._data.reading() as connection:
            return connection.scalar(asked) is not None

    def stops(self) -> list[tuple[bytes, bytes, bytes]]:
        """All that was stopped: patient, grant id, the patient's signature."""
        asked = select(stops.c.patient, stops.c.grant_id, stops.c.signature)
        with self._data.reading() as connection:
            return [(one.patient, one.grant_id, one.signature) for one in connection.execute(asked)]
