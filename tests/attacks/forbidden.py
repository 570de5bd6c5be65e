"""What may never stand on chain, in every form in which it could be recognised (promise 7).

A text is looked for
- from six bytes on anywhere: as UTF-8 (whatever its case), as UTF-16, as hexadecimal text, as Base64;
- of any length as a whole value: as an ABI ``string`` or ``bytes``, or as a word of 32 bytes, padded on
  either side (inside random bytes "mg" occurs by chance);
- of any length by its SHA-256 and keccak256: a hash of what can be guessed hides nothing.
Numbers of seven digits and more, and dates, also as an integer; smaller ones would collide with counts and
bits. Keys and salts are looked for as they are, as hexadecimal text and by hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from eth_utils.crypto import keccak

from consentry.store.cid import parse_cid
from tests.attacks.public import Seen

ANYWHERE = 6
NUMBER = 10**6
_DATE = re.compile(r"(\d{4})-(\d\d)(-(\d\d))?")


def text_forms(text: str) -> Iterator[bytes]:
    """A text as it could be written down anywhere."""
    raw = text.encode()
    yield from hashes(raw)
    if len(raw) >= ANYWHERE:
        yield raw
        yield text.encode("utf-16-le")
        yield text.encode("utf-16-be")
        yield raw.hex().encode()
        yield base64.b64encode(raw).rstrip(b"=")[: len(raw)]


def whole_forms(text: str) -> Iterator[bytes]:
    """A text as a value by itself."""
    raw = text.encode()
    yield raw
    if len(raw) <= 32:
        yield raw.ljust(32, b"\0")
    if 4 <= len(raw) <= 32:  # shorter ones are small numbers
        yield raw.rjust(32, b"\0")
    if text.isdecimal() and int(text) >= NUMBER:
        yield int(text).to_bytes(32, "big")


def days(text: str) -> Iterator[tuple[str, int]]:
    """The day with which a text begins, as text, and the second at which it begins."""
    if found := _DATE.match(text):
        year, month, day = int(found[1]), int(found[2]), int(found[4] or 1)
        if 1 <= month <= 12 and 1 <= day <= 31 and year >= 1970:
            yield found[0], int(datetime(year, month, day, tzinfo=UTC).timestamp())


def hashes(raw: bytes) -> Iterator[bytes]:
    yield hashlib.sha256(raw).digest()
    yield keccak(raw)


def key_forms(key: bytes) -> Iterator[bytes]:
    """Random bytes: as they are (48 of them are enough of a wrap), as text, and by hash."""
    yield key[:48].lower()
    yield key[:48].hex().encode()
    yield from hashes(key)


def cid_forms(cid: str) -> Iterator[bytes]:
    """A content id: as text, as bytes, and its bare digest."""
    parsed = parse_cid(cid)
    yield from text_forms(cid)
    yield from key_forms(bytes([1, parsed.codec, 0x12, 32]) + parsed.digest)
    yield from key_forms(parsed.digest)


def values_of(node: Any) -> Iterator[str]:
    """Every value in a JSON document, as text."""
    if isinstance(node, dict):
        for inner in node.values():
            yield from values_of(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from values_of(inner)
    elif isinstance(node, str | int | float) and not isinstance(node, bool):
        yield str(node)


def words(data: bytes) -> Iterator[bytes]:
    """The words of 32 bytes in calldata (after its selector), event or slot."""
    start = len(data) % 32
    return (data[at : at + 32] for at in range(start, len(data), 32))


@dataclass
class Forbidden:
    """What is looked for: form (in small letters) to the name of what it is a form of; ``forms`` anywhere,
    ``whole`` as a value by itself."""

    forms: dict[bytes, str] = field(default_factory=dict)
    whole: dict[bytes, str] = field(default_factory=dict)

    def text(self, name: str, *texts: str) -> None:
        """Texts, and the dates with which they begin."""
        for text in filter(None, texts):
            written = [text]
            for day, second in days(text):
                written += [day, day.replace("-", ""), str(second)]
            for one in written:
                self._add(name, text_forms(one))
                self.whole |= {form.lower(): name for form in whole_forms(one)}

    def key(self, name: str, *keys: bytes) -> None:
        """Keys, salts, digests, wraps."""
        for key in keys:
            self._add(name, key_forms(key))

    def cid(self, *cids: str) -> None:
        """Content ids."""
        for cid in cids:
            self._add("CID", cid_forms(cid))

    def bundle(self, raw: bytes) -> None:
        """Every value of a FHIR Bundle, and the Bundle itself."""
        self.key("the bundle", *hashes(raw))
        for value in values_of(json.loads(raw)):
            self.text("a value of the bundle", value)

    def found_in(self, seen: Iterable[Seen], known: bytes = b"") -> list[tuple[str, str, bytes]]:
        """(where, what, in which form) for each thing that should not be there; ``known`` is code that the
        package ships, in which a form may occur by itself."""
        places = [(one.where, one.data.lower()) for one in seen]
        joined, shipped = b"\xff\0".join(data for _, data in places), known.lower()
        hits = [form for form in self.forms if form in joined and form not in shipped]
        found = [(where, self.forms[form], form) for form in hits for where, data in places if form in data]
        for where, data in places:
            found += [(where, self.whole[form], form) for form in {data, *words(data)} if form in self.whole]
        return found

    def _add(self, name: str, forms: Iterable[bytes]) -> None:
        for form in forms:
            self.forms.setdefault(form.lower(), name)
