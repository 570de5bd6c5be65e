"""What a vault holds, page by page, and what its journal says that it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Table, select, tuple_
from sqlalchemy import Row as Stored

from consentry.keyholder.journal import COLLECTED, LEFT, Row
from consentry.keyholder.vault.books import Vault
from consentry.keyholder.vault.tables import boxes, records, statements, stops

PAGE = 100
"""Rows of a page: some hundredths of a second's work."""

Thing = tuple[str, str]
"""Something that is held: the kind of row that says so, and ids in hex."""


def pages(
    vault: Vault, table: Table, *columns: Column[Any], by: Column[Any] | None = None, **where: object
) -> Iterator[Sequence[Stored[Any]]]:
    """The rows of a table (``columns`` of it, or all), each page in a transaction of its own, in the order of
    a column ``by``, of their places or of their primary key."""
    if by is None:
        by = table.columns.get("place")
    order = list(table.primary_key) if by is None else [by]
    asked = select(*columns or [table]).filter_by(**where).order_by(*order).limit(PAGE)
    after = asked
    while True:
        with vault._data.reading() as connection:
            page = connection.execute(after).all()
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = asked.where(tuple_(*order) > tuple(page[-1]._mapping[one] for one in order))


def note(named: dict[Thing, int], row: Row, generation: str) -> None:
    """Adds what a row of the journal says is held (of records, for that group of keyholders) with its index,
    if no row before said so; takes away what it says was let go."""
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
            for thing in [one for one in named if one[0] == "record"]:
                del named[thing]


def gather(vault: Vault, held: set[Thing]) -> Iterator[None]:
    """Adds what is held to ``held``, page by page."""
    for page in pages(vault, statements):
        held |= {("statement", _hex(one.hash)) for one in page}
        yield
    for table, kind in ((boxes, "box"), (stops, "stop")):
        for page in pages(vault, table):
            held |= {(kind, _hex(one.patient, one.grant_id)) for one in page}
            yield
    columns = (records.c.record_id, records.c.place)
    for page in pages(vault, records, *columns, generation=vault.generation):
        held |= {("record", _hex(one.record_id)) for one in page}
        yield


def _hex(*values: bytes) -> str:
    return " ".join("0x" + value.hex() for value in values)
