"""What one piece of FHIR says about itself: its names, whom it refers to, dates, and what is sensitive."""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from consentry.fhir.codes import (
    ACT_CODE,
    CONFIDENTIALITY,
    Hit,
    hits_of_code,
    hits_of_text,
    named,
    system_name,
)

RESTRICTED = frozenset({"R", "V"})
OTHER_LABELS = named("label")

# Planned ends and due dates are not among them.
_DATES = named("date")
_PERIODS = named("period")
_TEXT_TYPES = re.compile(r"text/|application/([\w.+-]*\+)?(xml|json|rtf|xhtml)", re.IGNORECASE)
_VERSION = re.compile(r"/_history/[^/]*$")


@dataclass(slots=True)
class Look:
    """One entry, looked through. ``names`` are those it answers to, ``points`` where it points and from
    which element; ``type`` is its resource's; ``date`` its newest clinical date, '' if it has none.
    """

    type: str
    names: set[str] = field(default_factory=set)
    points: set[tuple[str, str]] = field(default_factory=set)
    hits: set[Hit] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)  # restricted, or sensitive in a way that no kind means
    unread: set[str] = field(default_factory=set)  # media types of attachments that cannot be looked into
    date: str = ""


def look(entry: dict[str, Any]) -> Look:
    """Looks through a Bundle entry (``{"resource": {...}, "fullUrl": ...}``), everything within included."""
    resource = entry["resource"]
    found = Look(type=resource["resourceType"])
    if isinstance(entry.get("fullUrl"), str):
        found.names.add(entry["fullUrl"])
    for key, node in _walk("", entry):
        if isinstance(node, dict):
            _names(key, node, found)
            _coding(key, node, found)
            _attachment(node, found)
        elif isinstance(node, str):
            found.hits |= hits_of_text(node)
            if key != "reference" and ("/" in node or node.startswith("urn:")):  # canonical, uri, url
                found.points.add((key, _VERSION.sub("", node)))
    found.date = _newest(resource)
    return found


def _walk(key: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Gives each value, in any order, with the key that it, or the array it is in, stands under."""
    waiting = [(key, node)]
    while waiting:
        key, node = waiting.pop()
        yield key, node
        if isinstance(node, dict):
            encoded = _is_encoded(node)  # then it is decoded instead
            waiting += [item for item in node.items() if item[0] != "data" or not encoded]
        elif isinstance(node, list):
            waiting += [(key, value) for value in node]


def _names(key: str, node: dict[str, Any], found: Look) -> None:
    if isinstance(node.get("reference"), str):
        found.points.add((key, _VERSION.sub("", node["reference"])))
    identifiers = node.get("identifier")
    if isinstance(node.get("resourceType"), str):
        if "id" in node and key != "contained":  # a contained id is known only within
            found.names.add(f"{node['resourceType']}/{node['id']}")
        listed = identifiers if isinstance(identifiers, list) else [identifiers]
        found.names.update(filter(None, map(_identifier, listed)))
    elif isinstance(identifiers, dict):  # FHIR R4 section 2.3.0.2: a logical reference
        found.points.add((key, _identifier(identifiers)))


def _identifier(node: Any) -> str:
    if not isinstance(node, dict) or not node.get("value"):
        return ""
    return f"{node.get('system', '')}|{node['value']}"


def _coding(key: str, node: dict[str, Any], found: Look) -> None:
    code, system = node.get("code"), node.get("system", "")
    if not isinstance(code, str) or not isinstance(system, str):
        return
    found.hits |= hits_of_code(system, code)
    name = system_name(system)
    if name == CONFIDENTIALITY and code in RESTRICTED:
        found.labels.add(code)
    if name == ACT_CODE and code in OTHER_LABELS and key == "security":
        found.labels.add(code)


def _attachment(node: dict[str, Any], found: Look) -> None:
    data = node.get("data")
    if not isinstance(data, str) or not _is_encoded(node):
        return
    media_type = str(node.get("contentType", "unknown type"))
    try:
        text = base64.b64decode(data).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        text = ""
    if text and _TEXT_TYPES.match(media_type):
        found.hits |= hits_of_text(text)
    else:
        found.unread.add(media_type)


def _is_encoded(node: dict[str, Any]) -> bool:
    return "origin" not in node  # SampledData has it, and holds its data as plain text


def _newest(resource: dict[str, Any]) -> str:
    days = {_day(value) for key, value in _walk("", resource) if key in _DATES}
    for key, node in _walk("", resource):
        if key in _PERIODS or (key == "period" and resource["resourceType"] == "Encounter"):
            days |= {_day(node.get("start")), _day(node.get("end"))} if isinstance(node, dict) else set()
        elif key == "period" and isinstance(node, dict):
            days.add(_day(node.get("start")))
    return max(days, default="")


def _day(value: Any) -> str:
    try:
        return datetime.date.fromisoformat(value[:10]).isoformat() if isinstance(value, str) else ""
    except ValueError:
        return ""  # a year or a month alone is no day
