"""``providers.csv``: whom an authority onboards, one row a provider, checked as a whole before anything is
sent.

=============  =====================================================================================
column         what stands in it
=============  =====================================================================================
file           the provider.json that the provider made with enrol; relative to the CSV file
name           how sentences name the provider: at most 120 characters, on one line
number         NPI of ten digits with its check digit; or another register's, as REGISTER:NUMBER
roles          words with spaces between: treating research public-health reviewer organisation
organisation   whose member: number of an organisation row here, or an address; empty for nobody's
valid_until    the credential's last day (UTC) as YYYY-MM-DD
=============  =====================================================================================
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from consentry.admin import ORGANISATION, Applicant
from consentry.chain import Chain
from consentry.cli.arguments import ADDRESS, DAY, end_of_day
from consentry.cli.home import Home
from consentry.consent.card import Card, Offer
from consentry.errors import ConsentryError, UsageError

COLUMNS = ("file", "name", "number", "roles", "organisation", "valid_until")
ROLES = {"treating": 1, "research": 4, "public-health": 8, "reviewer": 16, "organisation": ORGANISATION}
_ACTIVE = 1  # IProviderRegistry.Status
_NAME_LIMIT = 120
_NPI_PREFIX = "80840"  # ISO/IEC 7812: health applications, United States
_REGISTER = re.compile(r"[A-Za-z][\w.-]{0,15}:[\w./-]{1,32}")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Wrong(ValueError):
    """What is wrong with one cell, in words."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What cells are read against: the CSV file's folder, the check of an offer, a block time."""

    folder: Path
    check: Callable[[Offer], None]
    now: int


@dataclass(slots=True)
class _Row:
    """One row as it is read: its number in the file (the heading is row 1) and its cells."""

    at: int
    cells: dict[str, str]
    offer: Offer | None = None
    roles: int = 0
    until: int = 0
    organisation: str | None = None


def read_providers(path: Path, check: Callable[[Offer], None], now: int) -> list[Applicant]:
    """The applicants of a CSV file, organisations first; ``check`` verifies an offer, ``now`` is a block time
    in seconds. Credentials begin with the day of ``now``.

    Raises `UsageError` that names every wrong row by number and column."""
    rows, given = _rows(path), _Given(path.parent, check, now)
    wrong: list[tuple[int, str, str]] = []
    for row in rows:
        for column, read in _READERS.items():
            try:
                read(row, given)
            except Wrong as error:
                wrong.append((row.at, column, str(error)))
    wrong += _among_rows(rows)
    if wrong:
        lines = [f"  row {at}, {column}: {why}" for at, column, why in sorted(wrong)]
        raise UsageError("\n".join([f"{path.name}: nobody was onboarded. Put right:", *lines]))
    rows.sort(key=lambda row: not row.roles & ORGANISATION)
    return [_applicant(row, now) for row in rows]


def standing(home: Home, chain: Chain, applicant: Applicant) -> Card | None:
    """The card of an applicant whose credential already stands on chain as it should, or None."""
    try:
        card = home.card(applicant.offer.address)
    except ConsentryError:
        return None
    _, until, roles, status, organisation = chain.rpc.call(
        "ProviderRegistry", "credentialOf", applicant.offer.address
    )
    there = (card.name, card.number, card.public_key, until, roles, status, int(organisation, 16))
    a = applicant
    member_of = int(a.organisation, 16) if a.organisation else 0
    wanted = (a.name, a.number, a.offer.public_key, a.valid_until, a.roles, _ACTIVE, member_of)
    return card if there == wanted and chain.card_hash_of(card.address) == card.hash else None


def _applicant(row: _Row, now: int) -> Applicant:
    assert row.offer is not None
    name, number = row.cells["name"], row.cells["number"]
    validity = (now // DAY * DAY, row.until)
    return Applicant(row.offer, name, number, row.roles, row.organisation, *validity)


def _rows(path: Path) -> list[_Row]:
    try:
        text = path.read_text("utf-8-sig")  # spreadsheets put a byte order mark in front
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not in UTF-8; save it as 'CSV UTF-8'") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = list(reader)
    except csv.Error as error:
        where = f"{path.name}, line {reader.line_num}"
        raise UsageError(f"{where}: no CSV ({error}); look for a quote that is not closed") from None
    heading = [cell.strip() for cell in lines[0]] if lines else []
    if sorted(heading) != sorted(COLUMNS):
        raise UsageError(
            f"{path.name}: the first row has to be {','.join(COLUMNS)} (with commas), in any order; "
            f"it is {','.join(heading) or 'empty'}"
        )
    rows = [_row(path, at, heading, cells) for at, cells in enumerate(lines[1:], 2) if any(cells)]
    if not rows:
        raise UsageError(f"{path.name} names nobody; write a row for each provider under the heading")
    return rows


def _row(path: Path, at: int, heading: list[str], cells: list[str]) -> _Row:
    if len(cells) != len(heading):
        raise UsageError(
            f"{path.name}, row {at}: {len(cells)} cells under {len(heading)} headings; quote one with a comma"
        )
    return _Row(at, dict(zip(heading, (cell.strip() for cell in cells), strict=True)))


def _file(row: _Row, given: _Given) -> None:
    named = row.cells["file"]
    path = given.folder / named
    if not named or not path.is_file():
        raise Wrong(f"there is no file {named!r} beside the CSV file")
    try:
        offer = Offer.from_json(path.read_bytes())
        given.check(offer)
    except ConsentryError as error:
        raise Wrong(f"{named}: {error}") from None
    row.offer = offer


def _name(row: _Row, given: _Given) -> None:
    name = row.cells["name"]
    if not name:
        raise Wrong("it is empty")
    if len(name) > _NAME_LIMIT or not name.isprintable():
        raise Wrong(f"it has to be one line of at most {_NAME_LIMIT} characters that everybody can see")
    _no_formula(name)


def _number(row: _Row, given: _Given) -> None:
    number = row.cells["number"]
    _no_formula(number)
    if not is_npi(number) and not _REGISTER.fullmatch(number):
        raise Wrong(f"{number!r} is no NPI (ten digits, the last a check digit) and no REGISTER:NUMBER")


def _roles(row: _Row, given: _Given) -> None:
    words = row.cells["roles"].split()
    unknown = [word for word in words if word not in ROLES]
    if unknown or not words:
        raise Wrong(f"{' '.join(unknown) or 'nothing'} is no role; the roles are {' '.join(ROLES)}")
    row.roles = sum(ROLES[word] for word in set(words))


def _until(row: _Row, given: _Given) -> None:
    try:
        row.until = end_of_day(row.cells["valid_until"])
    except ValueError:
        raise Wrong(f"{row.cells['valid_until']!r} is no day; write it as YYYY-MM-DD") from None
    if row.until <= given.now:
        raise Wrong(f"{row.cells['valid_until']} is over; give a day to come")


def _no_formula(cell: str) -> None:
    if cell.startswith(_FORMULA):
        raise Wrong(f"{cell!r} begins like a spreadsheet's formula; begin it with a letter or a digit")


_READERS: dict[str, Callable[[_Row, _Given], None]] = {
    "file": _file,
    "name": _name,
    "number": _number,
    "roles": _roles,
    "valid_until": _until,
}


def is_npi(number: str) -> bool:
    """Whether ``number`` is a National Provider Identifier: ten digits, the first 1 or 2, the last the Luhn
    check digit over the number behind 80840 (45 CFR 162.406, CMS check digit calculation)."""
    if not re.fullmatch(r"[12][0-9]{9}", number):
        return False
    total = 0
    for place, digit in enumerate(map(int, reversed(_NPI_PREFIX + number))):
        total += sum(divmod(2 * digit, 10)) if place % 2 else digit
    return total % 10 == 0


def _among_rows(rows: list[_Row]) -> list[tuple[int, str, str]]:
    wrong = []
    numbers = Counter(row.cells["number"] for row in rows)
    accounts = Counter(row.offer.address for row in rows if row.offer)
    organisations = {row.cells["number"]: row for row in rows if row.roles & ORGANISATION}
    for row in rows:
        if numbers[row.cells["number"]] > 1:
            wrong.append((row.at, "number", f"{row.cells['number']} stands in several rows"))
        if row.offer and accounts[row.offer.address] > 1:
            wrong.append((row.at, "file", f"the account {row.offer.address} stands in several rows"))
        try:
            row.organisation = _organisation(row, organisations)
        except Wrong as error:
            wrong.append((row.at, "organisation", str(error)))
    return wrong


def _organisation(row: _Row, organisations: dict[str, _Row]) -> str | None:
    named = row.cells["organisation"]
    if not named:
        return None
    if row.roles & ORGANISATION:
        raise Wrong("an organisation is nobody's member; leave it empty")
    if named.startswith("0x"):
        try:
            return ADDRESS.convert(named, None, None)
        except Exception as error:  # click's own: its message is what matters
            raise Wrong(str(error)) from None
    if named not in organisations:
        raise Wrong(
            f"no organisation has the number {named!r} in this file; add its row, or give its address"
        )
    offer = organisations[named].offer
    return offer.address if offer else None
