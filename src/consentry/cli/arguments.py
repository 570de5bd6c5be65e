"""What people type: addresses, ids, days. Each says what is wrong with it, and why."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from consentry.cli.terminal import brief
from consentry.errors import ConsentryError, NotFound, UsageError

if TYPE_CHECKING:
    from consentry.chain import Chain

DAY = 86_400
_SHORTEST_ID = 8


class Address(click.ParamType):
    """An account's address; gives it checksummed."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        from eth_utils.address import to_checksum_address

        text = str(value)
        formed = re.fullmatch(r"0x[0-9a-fA-F]{40}", text)
        right = str(to_checksum_address(text)) if formed else ""
        if not formed or text not in (right, text.lower()):
            self.fail(f"{text!r} is no address (0x and 40 hex digits, whose capitals are a checksum)")
        return right


class Identifier(click.ParamType):
    """An id of 32 bytes, or its first hex digits (8 at least): gives the digits, for `pick`."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        digits = str(value).lower().removeprefix("0x")
        if not re.fullmatch(r"[0-9a-f]{8,64}", digits):
            self.fail(
                f"{value!r} is no id: 0x and 64 hex digits, or the first {_SHORTEST_ID} of them or more"
            )
        return digits


class Day(click.ParamType):
    """A day as YYYY-MM-DD; gives the first second after it in UTC, so that the day itself is included."""

    name = "yyyy-mm-dd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `click.ParamType`."""
        if isinstance(value, int):
            return value
        try:
            return end_of_day(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day; write it as YYYY-MM-DD")


def end_of_day(text: str) -> int:
    """The first second (UTC) after the day ``text``, which is YYYY-MM-DD. Raises `ValueError`."""
    day = datetime.date.fromisoformat(text)
    if day.isoformat() != text:
        raise ValueError
    midnight = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
    return int(midnight.timestamp()) + DAY


def day_of(at: int) -> str:
    """The day of a time in seconds, UTC."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d")


def end(until: int | None, days: int | None, chain: Chain) -> int:
    """When a grant ends, from ``--until`` or ``--days``: always at midnight UTC, so that the same command
    means the same grant the whole day. Raises `UsageError` unless there is exactly one."""
    if (until is None) == (days is None):
        raise UsageError("say when the grant ends: --until YYYY-MM-DD, or --days N")
    if until is not None:
        return until
    assert days is not None
    return (chain.head().time // DAY + 1 + days) * DAY


def pick(digits: str, known: Iterable[bytes], what: str, none: type[ConsentryError] = NotFound) -> bytes:
    """The one id of ``known`` that begins with ``digits``, or the full id even where it is unknown.
    Raises ``none`` for no such id, `UsageError` for several."""
    if len(digits) == 64:
        return bytes.fromhex(digits)
    found = [one for one in dict.fromkeys(known) if one.hex().startswith(digits)]
    if not found:
        raise none(f"you see no {what} 0x{digits}...; list what there is, or give its id in full")
    if len(found) > 1:
        shown = ", ".join(map(brief, found))
        raise UsageError(f"0x{digits}... may be any {what} of {shown}; give more digits")
    return found[0]


ADDRESS, IDENTIFIER, DAY_TYPE = Address(), Identifier(), Day()
