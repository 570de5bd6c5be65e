"""Whether a vault is whole: what an operator asks after a restore, and now and then.

It needs no secret: the record keys are in the vault, and the keyholder's card and deployment are public. It
reads one moment, while the keyholder serves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row as Stored
from sqlalchemy import Table, select

from consentry.consent.box import KeyBox
from consentry.envelope.deposit import Header, envelope_hash
from consentry.envelope.handing import Holding, Members, check_holding
from consentry.envelope.leaf import Leaf, leaf_hash, record_id
from consentry.envelope.statement import Statement
from consentry.errors import IntegrityError
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.held import Held
from consentry.keyholder.journal import COLLECTED, LEFT, Row, verify_journal
from consentry.keyholder.vault.books import Vault
from consentry.keyholder.vault.tables import boxes, envelopes, records, statements, stops
from consentry.keys.binding import Deployment


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong: ``where`` (``journal``, or a record, envelope, statement, box or stop by its
    ids in hex) and ``what``."""

    where: str
    what: str


def check(vault: Vault, deployment: Deployment, card: KeyholderCard, line: Sequence[Members]) -> list[Fault]:
    """All that is wrong with what the keyholder of ``card`` holds for the last group of ``line`` (all groups
    that there were); an empty list where nothing is.

    The journal follows and is signed by the card's address; each record opens with its key, is the one
    that its id says, and its share fits its commitment; each envelope has all its records; and the journal
    names what is held, and nothing else. Raises `Unreachable`."""
    faults, rows = [], []
    with vault.one_moment():
        try:
            rows = vault.rows()
            verify_journal(deployment, card.address, rows)
        except (IntegrityError, ValueError) as error:
            faults.append(Fault("journal", str(error)))
        faults += _statements(vault)
        faults += _boxes(vault)
        faults += _envelopes(vault, deployment, card, line)
        if not faults or faults[0].where != "journal":
            faults += _unnamed(vault, rows)
    return faults


def _all(vault: Vault, table: Table) -> Iterator[Stored[Any]]:
    with vault._data.reading() as connection:
        asked = select(table).order_by("place" if "place" in table.columns else next(iter(table.primary_key)))
        yield from connection.execute(asked.execution_options(yield_per=1000))


def _statements(vault: Vault) -> Iterator[Fault]:
    for one in _all(vault, statements):
        try:
            found = Statement.decode(one.body)
            said = (found.hash, found.patient, found.segment, found.version)
        except IntegrityError as error:
            yield Fault(f"statement {one.hash.hex()}", str(error))
            continue
        if said != (one.hash, one.patient, one.segment, one.version):
            yield Fault(f"statement {one.hash.hex()}", "its bytes are not those that it is held as")


def _boxes(vault: Vault) -> Iterator[Fault]:
    for one in _all(vault, boxes):
        try:
            found = KeyBox.decode(one.box)
            said = (found.patient, found.grant_id, found.segment)
        except IntegrityError as error:
            yield Fault(f"box of grant {one.grant_id.hex()}", str(error))
            continue
        if said != (one.patient, one.grant_id, one.segment):
            yield Fault(f"box of grant {one.grant_id.hex()}", "its bytes are not those of the grant")


def _envelopes(
    vault: Vault, deployment: Deployment, card: KeyholderCard, line: Sequence[Members]
) -> Iterator[Fault]:
    for one in _all(vault, envelopes):
        where = f"envelope {one.envelope.hex()}"
        try:
            header = Header.decode(one.header)
            header.place(deployment)
        except IntegrityError as error:
            yield Fault(where, str(error))
            continue
        if (header.patient, header.segment) != (one.patient, one.segment):
            yield Fault(where, "its header is that of another patient or segment")
        leaves, faults = _records(vault, one.envelope, header, card.index, line)
        yield from faults
        if leaves and not faults and envelope_hash(one.header, leaves) != one.envelope:
            yield Fault(where, "it is not whole: a record of it is missing, or out of its place")


def _records(
    vault: Vault, envelope: bytes, header: Header, index: int, line: Sequence[Members]
) -> tuple[list[bytes], list[Fault]]:
    """The leaf hashes of an envelope's records that are good, and what is wrong with the others."""
    leaves, faults = [], []
    with vault._data.reading() as connection:
        asked = select(records).filter_by(envelope=envelope, generation=vault.generation)
        asked = asked.order_by(records.c.position)
        found = connection.execute(asked).all()
    keys = vault.keys_of([one.record_id for one in found])
    for one in found:
        try:
            if one.record_id not in keys:
                raise IntegrityError("its key is lost or was destroyed: it cannot be released from here")
            held = Held.unseal(header.encode(), keys[one.record_id], one.sealed)
            leaf = Leaf.decode(held.open_part, held.sealed_part)
            named = {one.record_id, leaf.record_id}
            if named != {record_id(header.patient, header.segment, leaf.record_salt)}:
                raise IntegrityError("the leaf is that of another record")
            check_holding(leaf, line, index, Holding.decode(held.share))
            leaves.append(leaf_hash(held.open_part, held.sealed_part))
        except IntegrityError as error:
            faults.append(Fault(f"record {one.record_id.hex()}", str(error)))
    return leaves, faults


def _named(rows: list[Row], generation: str) -> dict[tuple[str, str], int]:
    """What the journal says is held (of records, for that group of keyholders), and the first row that says
    so; what the keyholder let go when others came after is not named any more."""
    named: dict[tuple[str, str], int] = {}
    for row in rows:
        body = row.body
        several = sum(name.startswith("record ") for name in body)
        inside = [("record", body.get(f"record {number}", "")) for number in range(several)]
        mine = body.get("keyholders", "0x") == f"0x{generation}"
        match row.kind:
            case "statement":
                named.setdefault(("statement", body.get("hash", "")), row.index)
            case "box" | "stop":
                both = f"{body.get('patient', '')} {body.get('grant', '')}"
                named.setdefault((row.kind, both), row.index)
            case "deal" if mine:
                for thing in inside:
                    named.setdefault(thing, row.index)
            case _ if row.kind == COLLECTED and mine:
                for thing in inside:
                    named.pop(thing, None)
            case _ if row.kind == LEFT and body.get("generation") == generation:
                named = {thing: index for thing, index in named.items() if thing[0] != "record"}
    return named


def _held(vault: Vault) -> set[tuple[str, str]]:
    """What is held, in the same words."""
    held = {("statement", _hex(one.hash)) for one in _all(vault, statements)}
    held |= {("box", _hex(one.patient, one.grant_id)) for one in _all(vault, boxes)}
    held |= {("stop", _hex(one.patient, one.grant_id)) for one in _all(vault, stops)}
    mine = [one for one in _all(vault, records) if one.generation == vault.generation]
    return held | {("record", _hex(one.record_id)) for one in mine}


def _hex(*values: bytes) -> str:
    return " ".join("0x" + value.hex() for value in values)


def _unnamed(vault: Vault, rows: list[Row]) -> Iterator[Fault]:
    named, held = _named(rows, vault.generation), _held(vault)
    for kind, thing in sorted(held - named.keys()):
        yield Fault(f"{kind} {thing}", "it is held, and no row of the journal says so")
    for (kind, thing), row in named.items():
        if (kind, thing) not in held:
            yield Fault(f"{kind} {thing}", f"row {row} of the journal names it, and it is not held")
