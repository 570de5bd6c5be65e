"""Whatever bytes come from outside, a reader takes them or says by an error of its own why not.

It never falls over, never hangs, and takes no more memory than the bytes are worth."""

from __future__ import annotations

import ast
import re
import signal
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings

import consentry
from consentry.envelope.deposit import Part
from consentry.errors import ConsentryError, IntegrityError
from tests.attacks.parsers import PARSERS, Parser
from tests.attacks.parsers.files import FILES
from tests.attacks.parsers.hostile import hostile, junk, odd_fields
from tests.attacks.parsers.nodes import NODES

HANGS = 60  # seconds, after which a reader is said to hang
MEMORY = 4 << 20
"""Bytes that any reader may take beside what its input is worth."""
FIXED = settings(max_examples=50, deadline=None, derandomize=True, database=None)


class Hangs(Exception):
    """A reader does not come to an end."""


@contextmanager
def watched() -> Iterator[None]:
    """Ends what hangs."""

    def end(_: int, __: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def read(parser: Parser, data: bytes) -> None:
    """Fails unless ``data`` is taken or refused by name, in the memory that it is worth."""
    tracemalloc.start()
    try:
        with watched():
            parser.call(data)
    except ConsentryError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak <= MEMORY + parser.factor * len(data), f"{len(data)} bytes took {peak:,}"


@pytest.fixture(autouse=True)
def beside_py_evm() -> Iterator[None]:
    """As in a process with a chain of its own: py-evm raises the limit so far that a reader which recurses
    ends the process."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


ODD = [
    name
    for name in (*FILES, *NODES, "rows of a journal", "notes of a joining")
    if PARSERS[name].example[:1] in (b"{", b"[")
]
ODD.remove("a file")  # of the same bytes as a Bundle


def warm(name: str) -> Parser:
    """The reader, once it has read: what it makes only once is not what bytes cost."""
    parser = PARSERS[name]
    with suppress(ConsentryError):  # a call is answered once
        parser.call(parser.example)
    return parser


@pytest.mark.parametrize("name", PARSERS)
def test_a_good_example_is_taken(name: str) -> None:
    """Otherwise what is bent below was broken before."""
    PARSERS[name].call(PARSERS[name].example)


@pytest.mark.parametrize("name", PARSERS)
def test_what_killed_other_readers_is_refused_by_name(name: str) -> None:
    parser = warm(name)
    for data in junk():
        read(parser, data)


@pytest.mark.parametrize("name", ODD)
def test_a_field_that_is_odd_is_refused_by_name(name: str) -> None:
    parser = PARSERS[name]
    for data in odd_fields(parser.example):
        with suppress(ConsentryError):
            parser.call(data)


@pytest.mark.parametrize("name", PARSERS)
def test_hostile_bytes_are_taken_or_refused_by_name(name: str) -> None:
    parser = warm(name)

    @FIXED
    @given(hostile(parser.example))
    def reads(data: bytes) -> None:
        read(parser, data)

    reads()


def pointing_to_one(parts: int, size: int) -> bytes:
    """A part of an envelope whose ``parts`` leaves are all the same ``size`` bytes."""

    def word(number: int) -> bytes:
        return number.to_bytes(32, "big")

    nothing, leaves = 6 * 32, 7 * 32
    heads = [word(at) for at in (nothing, leaves, leaves, nothing, nothing, nothing)]
    tails = [word(0), word(parts), word(parts * 32) * parts, word(size), bytes(size)]
    return b"".join(heads + tails)


def test_pointers_that_lead_to_one_tail_cost_no_more_than_they_weigh() -> None:
    data = pointing_to_one(parts=500, size=16_000)
    assert len(data) < 33_000
    with pytest.raises(IntegrityError):
        Part.decode(data)
    read(Parser(Part.decode, b"", ()), data)


# --- none is forgotten

SOURCE = Path(consentry.__file__).parent
READERS = re.compile(r"(decode|from_json|load|parse|unseal|unwrap|prove)(_\w+)?")
CODECS = {"loads", "from_json", "raw_decode", "model_validate_json", "literal_eval", "b32decode"}
CODECS |= {"abi_decode", "json_decode"}
OWN = {
    **dict.fromkeys(
        (
            "consentry.admin.Admin.onboard",
            "consentry.client.outbox.Parcel._read",
            "consentry.client.person.Person._load",
        ),
        "sealed by the one who reads it",
    ),
    **dict.fromkeys(
        (
            "consentry.chain.deploying._read",
            "consentry.chain.underway.Page._read",
            "consentry.keyholder.vault.books.Vault.last_row",
            "consentry.keyholder.vault.books.Vault.rows",
        ),
        "written by the program into a folder or database of its own",
    ),
    "consentry.chain.manifest.contract_types": "ships with the package",
}
"""Functions that read what nobody else wrote, and why."""


def named(tree: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions below a node of syntax, by their dotted names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}"
            if isinstance(node, ast.FunctionDef):
                yield name, node
            yield from named(node, name)


def is_reader(function: ast.FunctionDef) -> bool:
    """Whether it has a reader's public name, or calls a codec itself."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    called = {getattr(one, "attr", getattr(one, "id", "")) for one in calls}
    return bool(READERS.fullmatch(function.name) or called & CODECS)


def readers() -> set[str]:
    """All functions of the package that read bytes, but for the doors', which see files by the same ones."""
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        inside = path.relative_to(SOURCE).with_suffix("")
        if inside.parts[0] != "cli":
            module = ".".join(("consentry", *inside.parts)).removesuffix(".__init__")
            tree = ast.parse(path.read_text("utf-8"))
            found |= {name for name, function in named(tree, module) if is_reader(function)}
    return found


def name_of(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"


COVERED = {name_of(function) for parser in PARSERS.values() for function in parser.covers}


def test_every_reader_has_its_row() -> None:
    """A new one is a row in tests/attacks/parsers, or reads what nobody else wrote."""
    assert readers() - COVERED - set(OWN) == set()
    assert set(OWN) <= readers()
    assert not COVERED & set(OWN)


@pytest.mark.parametrize("name", PARSERS)
def test_a_row_runs_what_it_says_that_it_covers(name: str) -> None:
    run: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            run.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}")

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        warm(name)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    assert {name_of(function) for function in PARSERS[name].covers} <= run
