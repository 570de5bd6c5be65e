"""Sealing: each record of a deposit becomes a blob in the outbox, with salts and a key of its own."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from consentry import seal
from consentry.client.outbox import Parcel
from consentry.client.steps import Step, durable
from consentry.envelope.leaf import Label, record_id
from consentry.keys.binding import Deployment
from consentry.record import Record


def fingerprint(record: Record) -> bytes:
    """By which a record that is deposited again is known: the SHA-256 of its media type and bytes."""
    digest = hashlib.sha256(record.media_type.encode() + b"\0")
    with record.open() as source:
        while step := source.read(1 << 20):
            digest.update(step)
    return digest.digest()


def seal_records(
    parcel: Parcel,
    deployment: Deployment,
    contributor: str,
    patient: bytes,
    records: Sequence[Record],
    segments: Mapping[str, bytes],
    progress: Callable[[str], None],
) -> None:
    """Seals ``records`` of a patient, each of whose kinds has its segment, into files of the ``parcel``, and
    keeps there what their envelopes will tell of them."""
    sealed: list[dict[str, Any]] = []
    for number, record in enumerate(records):
        progress(f"sealing {record.kind}")
        salt, key = secrets.token_bytes(32), secrets.token_bytes(32)
        record_hash = record_id(patient, segments[record.kind], salt)
        bound = seal.context(deployment, record_hash, record.media_type)
        name = f"blob-{number}"
        with record.open() as source, parcel.path(name).open("wb") as sink:
            digest = seal.seal(source, sink, key, bound)
            sink.flush()
            os.fsync(sink.fileno())
        durable(Step.SEALED)
        label = Label(record.kind, record.date, contributor, record.media_type)
        sealed.append(
            {
                **{"kind": record.kind, "file": name, "record": record_hash.hex(), "salt": salt.hex()},
                **{"key": key.hex(), "digest": digest.hex(), "anchorSalt": secrets.token_hex(32)},
                "label": [label.kind, label.date, label.contributor, label.media_type],
            }
        )
    parcel.state["records"] = sealed
    parcel.save()
    durable(Step.SALTED)
