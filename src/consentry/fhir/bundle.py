"""Files in, records out.

A FHIR R4 Bundle becomes one record a kind, each a ``collection`` Bundle of the bytes that came in; a single
FHIR resource, or any other file, becomes one record.
"""

from __future__ import annotations

import codecs
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consentry.errors import NotARecord, UsageError
from consentry.fhir import scan
from consentry.fhir.codes import hits_of_text
from consentry.fhir.look import Look, look
from consentry.fhir.sort import DIRECTORY, flags, sort
from consentry.record import Kind, Record, kinds
from consentry.record import kind as kind_of

FHIR_JSON = "application/fhir+json"

# FHIR R4, Bundle invariants bdl-2, bdl-3, bdl-4: an entry of a collection has none of these.
_EXCHANGE = frozenset({"search", "request", "response"})
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_JSON_TYPES = frozenset({"application/json", FHIR_JSON, "application/json+fhir"})
_LARGEST_JSON = 32 << 20
_TEXT_STEP = 1 << 20
_TEXT_OVERLAP = 256
_MIME = mimetypes.MimeTypes(filenames=())


@dataclass(frozen=True, slots=True)
class _Entry:
    raw: str
    look: Look


def records_from_file(path: Path, media_type: str | None = None, *, kind: str | None = None) -> list[Record]:
    """Gives the records of a file.

    A FHIR Bundle in JSON becomes one record a kind, the least restrictive first. Any other file is one
    record: a FHIR resource in JSON is sorted like an entry; any other text is looked through for words,
    and what looks sensitive goes to that kind, flagged. ``kind`` says the kind of such a file by hand;
    what looks more restrictive than that is flagged. ``media_type`` is guessed from the name otherwise.

    Raises :class:`NotARecord` for a file that cannot be read or is empty, a ``.json`` file that is not JSON,
    JSON of more than 32 MiB, and a Bundle that is empty or has an entry without a resource;
    :class:`UsageError` for ``kind`` with a
    Bundle, whose kinds are found by what is in it; :class:`KindUnknown`.
    """
    path = Path(path)
    if not path.is_file():
        raise NotARecord(f"{path} is no file; give a file that can be read")
    if not path.stat().st_size:
        raise NotARecord(f"{path.name}: the file is empty; export it again")
    guessed = media_type or _guess(path)
    promised = guessed.partition(";")[0].strip().lower() in _JSON_TYPES
    if _small_enough(path, promised) and (promised or _may_be_json(path)):
        try:
            found = records_from_bytes(path.read_bytes(), kind=kind)
        except NotARecord as error:
            if promised:
                raise NotARecord(f"{path.name}: {error}") from None
            found = []
        if found:
            return found
    return [_opaque(path, guessed, kind)]


def records_from_bytes(raw: bytes, *, kind: str | None = None) -> list[Record]:
    """Gives the records of FHIR JSON in memory, as :func:`records_from_file` does; [] if it is not FHIR.

    Raises :class:`NotARecord` if it is no JSON, or a broken Bundle.
    """
    text = scan.decode(raw)
    value = scan.parse(text)
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        return []
    if value["resourceType"] != "Bundle":
        return [_resource(raw, value, kind)]
    if kind is not None:
        raise UsageError("a Bundle is sorted by what is in it; leave the kind out, or label its resources")
    return _bundle(text, value)


def _bundle(text: str, value: dict[str, Any]) -> list[Record]:
    entries = [_Entry(raw, look(part)) for raw, part in _entries(text)]
    if not entries:
        raise NotARecord("the Bundle has no entries; export it again with the patient's resources in it")
    orders = sort([entry.look for entry in entries])
    whole = look({"resource": {"resourceType": "Bundle", "meta": value.get("meta", {})}})
    _lift(orders, entries, whole)
    records = []
    for known in kinds():
        mine = [entry for entry, order in zip(entries, orders, strict=True) if order == known.order]
        if mine:
            records.append(_collection(known, mine, whole))
    return records


def _lift(orders: list[int], entries: list[_Entry], whole: Look) -> None:
    """A label of the whole Bundle that no entry accounts for holds for all but the directory."""
    for lacking in sorted({kind_of(hit.kind).order for hit in whole.hits} - set(orders)):
        for index, entry in enumerate(entries):
            if entry.look.type not in DIRECTORY:
                orders[index] = max(orders[index], lacking)


def _entries(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Gives each entry: its bytes as a collection may have them, and its value."""
    for member in scan.members(text):
        if member.key == "entry" and not isinstance(member.value, list):
            raise NotARecord("the Bundle's entry is no list; export it again as FHIR R4")
        for number, part in enumerate(scan.elements(text, member.start) if member.key == "entry" else ()):
            if not _has_resource(part.value):
                raise NotARecord(f"entry {number} of the Bundle has no resource; export it with all of them")
            yield _collected(text, part), part.value


def _has_resource(entry: Any) -> bool:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)


def _collected(text: str, entry: scan.Part) -> str:
    if not _EXCHANGE & entry.value.keys():
        return text[entry.start : entry.end]
    kept = (text[m.outer : m.end] for m in scan.members(text, entry.start) if m.key not in _EXCHANGE)
    return "{" + ",".join(kept) + "}"


def _collection(known: Kind, entries: list[_Entry], whole: Look) -> Record:
    labels = f'{{"system":"{_CONFIDENTIALITY}","code":"{"R" if known.labels else "N"}"}}'
    if known.labels:
        labels += f',{{"system":"{_ACT_CODE}","code":"{known.labels[0]}"}}'
    head = f'{{"resourceType":"Bundle","meta":{{"security":[{labels}]}},"type":"collection","entry":[\n'
    body = head + ",\n".join(entry.raw for entry in entries) + "\n]}\n"
    looks = [entry.look for entry in entries]
    date = max(one.date for one in looks)
    return Record(known.name, FHIR_JSON, body.encode(), date, flags(known.name, [*looks, whole]))


def _resource(raw: bytes, value: dict[str, Any], kind: str | None) -> Record:
    found = look({"resource": value})
    name = kind or kinds()[sort([found])[0]].name
    return Record(name, FHIR_JSON, raw, found.date, flags(name, [found]))


def _opaque(path: Path, media_type: str, kind: str | None) -> Record:
    found = Look(type="file")
    if _is_text(path):
        for text in _texts(path):
            found.hits |= hits_of_text(text)
    else:
        found.unread.add(media_type)
    name = kind or kinds()[sort([found])[0]].name
    return Record(name, media_type, path, flags=flags(name, [found]))


def _small_enough(path: Path, promised: bool) -> bool:
    """Whether the file can be parsed: that takes memory of 25 times its size. Raises :class:`NotARecord` for
    one that is too large and FHIR; what is no FHIR is never parsed as a whole."""
    size = path.stat().st_size
    if size <= _LARGEST_JSON:
        return True
    with path.open("rb") as file:
        if promised or b'"resourceType"' in file.read(4096):
            raise NotARecord(
                f"{path.name} has {size >> 20:,} MiB, and FHIR is sorted in memory, up to "
                f"{_LARGEST_JSON >> 20} MiB; export it as several Bundles, and large attachments as files"
            )
    return False


def _guess(path: Path) -> str:
    guessed, encoding = _MIME.guess_type(path.name)
    if encoding:
        return f"application/{encoding}"
    return guessed or "application/octet-stream"


def _may_be_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4096)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return b"\0" not in start


def _texts(path: Path) -> Iterator[str]:
    """Gives a text file in pieces that overlap, so that no words are cut in two."""
    with path.open(encoding="utf-8", errors="replace") as file:
        before = ""
        while piece := file.read(_TEXT_STEP):
            yield before + piece
            before = piece[-_TEXT_OVERLAP:]
