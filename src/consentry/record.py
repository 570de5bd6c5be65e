"""What goes in: records, the kinds they are sorted into, and the purposes they are read for.

The two vocabularies are data files that ship with the package: ``data/kinds.csv`` (a row's place is its
order: the later, the more restrictive) and ``data/purposes.csv`` (HL7 v3 PurposeOfUse; a code's bit is
part of every grant, so rows are appended and never reordered).
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO

from consentry.errors import KindUnknown, NotARecord, PurposeUnknown

GENERAL = "general"

# RFC 6838 section 4.2 for the two names, RFC 9110 section 8.3.1 for what may follow them.
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}(;[ -~]{1,256})?")


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of sensitivity. ``order`` grows with restriction, 0 being ``general``.

    ``labels`` are the HL7 v3-ActCode sensitivity codes that mean this kind; the first one is written
    where a record of this kind is labelled.
    """

    name: str
    title: str
    description: str
    order: int
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purpose:
    """An HL7 v3 PurposeOfUse code and its bit (0 to 31) in a grant's ``purposes``; a patient can opt out of
    those that are ``secondary``, whatever her grants say."""

    bit: int
    code: str
    display: str
    secondary: bool


@dataclass(frozen=True, slots=True)
class Record:
    """One health document, immutable: bytes, or a file that is read when it is sealed.

    ``kind`` is a name from :func:`kinds`; ``media_type`` an RFC 6838 media type; ``date`` the newest
    clinical date in it as YYYY-MM-DD, or '' where it is unknown; ``flags`` are notes in plain words for
    whoever deposits it. The body and the flags are left out of ``repr``, so that no log can hold them.

    Raises :class:`KindUnknown` for another kind, :class:`NotARecord` for another shape.
    """

    kind: str
    media_type: str
    body: bytes | Path = field(repr=False)
    date: str = ""
    flags: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        kind(self.kind)
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            raise NotARecord(f"{self.media_type!r} is no media type; give one such as application/fhir+json")
        if self.date and not _is_date(self.date):
            raise NotARecord(f"the date {self.date!r} is not YYYY-MM-DD; leave it empty if unknown")
        if isinstance(self.body, Path) and not self.body.is_file():
            raise NotARecord(f"{self.body} is no file; give a file that can be read")

    def open(self) -> BinaryIO:
        """Gives the body as a new binary stream, which the caller closes."""
        if isinstance(self.body, Path):
            return self.body.open("rb")
        return io.BytesIO(self.body)

    @property
    def size(self) -> int:
        """The body's length in bytes; for a file, its length now."""
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)


@cache
def kinds() -> tuple[Kind, ...]:
    """Gives all kinds, the least restrictive first."""
    return tuple(
        Kind(row["name"], row["title"], row["description"], order, tuple(row["labels"].split()))
        for order, row in enumerate(table("kinds.csv"))
    )


def kind(name: str) -> Kind:
    """Gives the kind of that name. Raises :class:`KindUnknown`, which lists the names there are."""
    for known in kinds():
        if known.name == name:
            return known
    raise KindUnknown(f"{name!r} is no kind; the kinds are {', '.join(k.name for k in kinds())}")


@cache
def purposes() -> tuple[Purpose, ...]:
    """Gives all purposes of use, by bit."""
    return tuple(
        Purpose(int(row["bit"]), row["code"], row["display"], row["secondary"] == "yes")
        for row in table("purposes.csv")
    )


def purpose_bit(code: str) -> int:
    """Gives a code's bit (0 to 31). Raises :class:`PurposeUnknown`, which lists the codes there are.

    A bit means that code alone, not the codes below it in HL7's tree. BTG is refused like any unknown
    code: breaking the glass never stands in terms.
    """
    for purpose in purposes():
        if purpose.code == code:
            return purpose.bit
    known = ", ".join(p.code for p in purposes())
    raise PurposeUnknown(f"{code!r} is no purpose of use that a grant can hold; these are: {known}")


def purpose_mask(codes: Iterable[str]) -> int:
    """Gives the ``purposes`` of a grant (bits 0 to 31) for some codes. Raises :class:`PurposeUnknown`."""
    mask = 0
    for code in codes:
        mask |= 1 << purpose_bit(code)
    return mask


def purpose_codes(mask: int) -> tuple[str, ...]:
    """Gives the codes in a grant's ``purposes``, by bit; the inverse of :func:`purpose_mask`.

    Raises :class:`PurposeUnknown` for a bit that has no code, so that nothing is shown as less than it is.
    """
    unknown = mask & ~purpose_mask(p.code for p in purposes())
    if unknown:
        raise PurposeUnknown(f"the purposes {mask:#x} have bits without a code: {unknown:#x}")
    return tuple(p.code for p in purposes() if mask >> p.bit & 1)


def table(name: str) -> list[dict[str, str]]:
    """Gives the rows of ``data/<name>``, a CSV file with a header that ships with the package."""
    text = (files("consentry") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
