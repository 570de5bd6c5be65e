"""What a code or a text says about its kind: labels, code lists and words, all data files.

- ``kinds.csv``: HL7 v3-ActCode sensitivity codes, the labels of DS4P.
- ``codes-<kind>.csv``: ``system,code,display,source``; a code that ends in ``*`` stands for all codes that
  start so. Displays are our own short words. The lists name the common codes; words catch the rest.
- ``systems.csv``: which code system a URI or OID means (a regular expression, matched in full).
- ``words.csv``: regular expressions for English text, where neither a label nor a code decides. One in
  lower case is found in any case, one with capitals as it stands (AIDS, not hearing aids). The rows
  without a kind are phrases that look alike and are harmless. Other languages rest on codes alone.
- ``fhir.csv``: the FHIR names that matter to sorting, by the role they play.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from consentry.record import GENERAL, kinds, table

LABEL, CODE, TEXT = "label", "code", "text"
ACT_CODE = "v3-ActCode"
CONFIDENTIALITY = "v3-Confidentiality"

_TAGS = re.compile(r"<[^>]*>")
_GAPS = re.compile(r"[\s_\-\u2010-\u2015\u2212]+")
_ICD_10 = re.compile(r"[A-Z]\d[0-9A-Z](\.?[0-9A-Z]{1,4})?")
_CONCEPTS = re.compile(r"\d{6,18}")


@dataclass(frozen=True, slots=True)
class Hit:
    """Something sensitive was seen: the kind it means, how it was seen, and what was seen."""

    kind: str
    how: str
    what: str


def hits_of_code(system: str, code: str) -> frozenset[Hit]:
    """Gives what a coding means. ``system`` is its URI, '' if it has none; then any list counts, as text."""
    if not system:
        return frozenset(Hit(k, TEXT, code) for name in _untold(code) for k in _kinds(name, code))
    name = system_name(system)
    how = LABEL if name == ACT_CODE else CODE
    return frozenset(Hit(k, how, code) for k in _kinds(name, code))


def hits_of_text(text: str) -> frozenset[Hit]:
    """Gives what a text means: the first word of each kind in it. Markup, case and hyphens do not count."""
    found: set[tuple[str, str]] = set()
    for plain in {_plain(text), _plain(_TAGS.sub(" ", text))}:  # what looks like a tag may be text
        found |= _search("lower", plain.lower()) | _search("capitals", plain)
    return frozenset(Hit(kind, TEXT, word.lower()) for kind, word in found)


@cache
def named(role: str) -> frozenset[str]:
    """Gives the FHIR names that play a role (``directory``, ``part``, ``date`` …)."""
    return frozenset(row["name"] for row in table("fhir.csv") if row["role"] == role)


@cache
def system_name(uri: str) -> str:
    """Gives our short name of a code system (``snomed``, ``icd-10`` …), '' for one that no list uses."""
    for pattern, name in _systems():
        if pattern.fullmatch(uri.strip().rstrip("/")):
            return name
    return ""


def _kinds(system: str, code: str) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for part in _normal(system, code):
        found |= _longest(system, part)
    return found


def _longest(system: str, code: str) -> frozenset[str]:
    """The most specific row wins: the code itself, else the longest row with a star."""
    exact = _codes().get((system, code))
    if exact:
        return exact
    for length in range(len(code), 0, -1):
        row = _codes().get((system, code[:length] + "*"))
        if row:
            return row
    return frozenset()


def _normal(system: str, code: str) -> list[str]:
    if system == "snomed":  # also post-coordinated expressions, which hold several concepts
        return _CONCEPTS.findall(code)
    if system.startswith("icd-"):
        return [code.strip().upper().replace(".", "")]
    return [code.strip()]


def _untold(code: str) -> list[str]:
    told = {name for name, _ in _codes()} - {"icd-10"}
    names = [name for name in told if (name, code) in _codes() and len(code) > 4]
    return [*names, "icd-10"] if _ICD_10.fullmatch(code) else names


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", html.unescape(text))
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return _GAPS.sub(" ", text)


@cache
def _codes() -> dict[tuple[str, str], frozenset[str]]:
    """By system and normal code; a row with a star keeps it."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for kind in kinds():
        rows = [(ACT_CODE, label) for label in kind.labels]
        if kind.name != GENERAL:
            rows += [(row["system"], row["code"]) for row in table(f"codes-{kind.name}.csv")]
        for system, code in rows:
            code = code.replace(".", "") if system.startswith("icd-") else code
            found[system, code] = found.get((system, code), frozenset()) | {kind.name}
    return found


@cache
def _systems() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(r["uri"], re.IGNORECASE), r["system"]) for r in table("systems.csv"))


def _search(case: str, text: str) -> set[tuple[str, str]]:
    harmless = _words(case)[""]
    found = {(kind, words.search(text)) for kind, words in _words(case).items() if kind}
    if any(match for _, match in found):  # seldom, so what is harmless is taken out only now
        text = harmless.sub(" ", text)
        found = {(kind, words.search(text)) for kind, words in _words(case).items() if kind}
    return {(kind, match[0]) for kind, match in found if match}


@cache
def _words(case: str) -> dict[str, re.Pattern[str]]:
    """By kind; '' is what is harmless. Lower-case text is matched several times faster than any case."""
    words: dict[str, list[str]] = {"": []}
    for row in table("words.csv"):
        own = "lower" if row["word"].islower() else "capitals"
        if own == case or not row["kind"]:
            words.setdefault(row["kind"], []).append(row["word"])
    flags = {kind: re.IGNORECASE if case == "capitals" and not kind else re.NOFLAG for kind in words}
    return {kind: re.compile(rf"\b(?:{'|'.join(some)})\b", flags[kind]) for kind, some in words.items()}
