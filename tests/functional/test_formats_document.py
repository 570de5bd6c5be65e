"""docs/formats.md says what the code does: every format has its place there, its examples are the vectors."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

import consentry
from consentry.client import proof
from consentry.consent import box, card, membership, terms
from consentry.consent.card import Card
from consentry.consent.membership import Membership
from consentry.consent.terms import Terms, typed_revoke, typed_terms
from consentry.envelope import deposit, handing, leaf, statement
from consentry.envelope.deposit import Header, Part
from consentry.envelope.leaf import Leaf
from consentry.envelope.statement import SignedStatement, Statement
from consentry.keyholder import handover, held, messages, wire
from consentry.keyholder.held import Held
from consentry.keyholder.journal import _message as row_message
from consentry.keys.typed import keys_message
from tests.functional import test_formats as frozen
from tests.support.fixed import DEPLOYMENT, NEXT, PATIENT_ID, ROSTER, a_card, seed

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "formats.md").read_text("utf-8")
SOURCE = Path(consentry.__file__).parent


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


# --- the contracts' encoding


def fields(text: str) -> tuple[list[str], list[str]]:
    """Types and names of ``type name, type name``; a tuple is one type."""
    parts = re.findall(r"((?:\([^)]*\)|\w+)(?:\[\])*) (\w+)", text)
    return [kind for kind, _ in parts], [name for _, name in parts]


def told() -> dict[str, tuple[list[str], list[str]]]:
    found = [re.findall(r"(\w+)\((.*?)\)(?=\n\w|\n?$)", block.rstrip(), re.DOTALL) for block in blocks("abi")]
    return {name: fields(" ".join(inside.split())) for some in found for name, inside in some}


def named(cls: Any, *, leaving: tuple[str, ...] = ()) -> list[str]:
    return [to_camel(name) for name in cls.__dataclass_fields__ if name not in leaving]


OPEN = ("record_id", "share_commitments", "commit_a")
ENCODED: dict[str, tuple[list[str], list[str] | None]] = {
    "Terms": (terms._FIELDS, named(Terms)),
    "Statement": (statement._TYPES, named(Statement)),
    "Header": (deposit._HEADER, named(Header)),
    "Part": (deposit._PART, named(Part)),
    "LeafOpen": (leaf._OPEN, [to_camel(name) for name in OPEN]),
    "LeafSealed": (leaf._SEALED, named(Leaf, leaving=(*OPEN, "batched"))),
    "LeafBatched": (leaf._BATCHED, None),
    "KeyBox": (box._BOX, named(box.KeyBox)),
    "Granted": (box._GRANT, None),
    "GrantedLater": (box._LATER, None),
    "GrantedOwn": (box._OWN, None),
    "Together": (box._TOGETHER, None),
    "ReleaseAsked": (["bytes32", "bytes", messages._ENTRY, "bytes"], named(messages.ReleaseAsked)),
    "Released": (held._DEALT, None),
    "Card": (card._CARD, named(Card, leaving=("signature",))),
    "Membership": (membership._FIELDS, named(Membership, leaving=("signature",))),
    "Held": (held._DEALT, named(Held, leaving=("header",))),
    "HandedOn": (held._HANDED_ON, None),
    "Holding": (handing._HOLDING, None),
    "HandOver": (handover._ASKED, None),
    "HandedPage": (handover._PAGE, None),
    "HandedStatement": (handover.STATEMENT, named(SignedStatement)),
    "HandedStop": (handover.STOP, None),
    "HandedEnvelope": (handover._ENVELOPE, None),
    "TookOver": (handover._TOOK, None),
}


@pytest.mark.parametrize("name", ENCODED)
def test_each_encoding_has_the_fields_that_the_code_has(name: str) -> None:
    types, names = told()[name]
    expected, called = ENCODED[name]
    assert types == expected
    assert called is None or names == called


def test_no_encoding_is_told_that_there_is_not_and_none_is_missing() -> None:
    """A list of types at the top of a module is an encoding."""
    assert set(told()) == set(ENCODED)
    modules = (
        box,
        card,
        deposit,
        handing,
        handover,
        held,
        leaf,
        membership,
        statement,
        terms,
        messages,
        proof,
    )
    lists = {
        (module.__name__, name)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value)
    }
    known = [types for types, _ in ENCODED.values()]
    assert [name for name in lists if vars(__import__(name[0], fromlist=["_"]))[name[1]] not in known] == []


# --- what is signed


def signed() -> dict[str, dict[str, Any]]:
    """One message of each sort."""
    empty = bytes(32)
    return {
        "Terms": typed_terms(DEPLOYMENT, frozen.TERMS, frozen.WORDED),
        "Revoke": typed_revoke(DEPLOYMENT, PATIENT_ID, empty),
        "Statement": statement.message(DEPLOYMENT, b""),
        "KeyBox": frozen.BOX.message(DEPLOYMENT),
        "KeyBoxes": box._message_of_all(DEPLOYMENT, [empty]),
        "Envelope": deposit.message(DEPLOYMENT, empty),
        "Card": a_card().message(DEPLOYMENT),
        "ProviderKey": frozen.OFFER.message(DEPLOYMENT),
        "Membership": keys_message(DEPLOYMENT, "Membership", membership=empty),
        "Call": frozen.CALL.message(DEPLOYMENT, ROSTER.keyholders[0].address),
        "Acknowledgement": frozen.WORD.message(DEPLOYMENT),
        "JournalRow": row_message(DEPLOYMENT, seed(1)),
        "Keyholders": NEXT.approval(DEPLOYMENT),
    }


def encoded_type(message: dict[str, Any]) -> str:
    """EIP-712's encodeType."""
    primary = message["primaryType"]
    others = sorted(name for name in message["types"] if name not in (primary, "EIP712Domain"))
    types = message["types"]
    told = {name: ",".join(f"{one['type']} {one['name']}" for one in types[name]) for name in types}
    return "".join(f"{name}({told[name]})" for name in (primary, *others))


def test_each_message_that_is_signed_is_told_to_the_letter() -> None:
    [block] = blocks("eip712")
    lines = block.replace(",\n  ", ",").splitlines()
    assert sorted(lines) == sorted(encoded_type(message) for message in signed().values())


def test_every_message_of_the_code_is_told() -> None:
    made = {name for name in calls("message", "keys_message") if name[:1].isupper()}
    assert made == set(signed())


# --- names


def constants() -> Iterator[ast.Call | ast.Constant]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call | ast.Constant):
                yield node


def calls(*functions: str) -> set[str]:
    """The texts that are given to functions of those names, wherever they are called."""
    found = set()
    for node in constants():
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in functions:
                found |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    return {one for one in found if isinstance(one, str)}


def test_every_role_of_a_key_is_told() -> None:
    in_logs = {"answered", "checked", "revocation relayed"}
    roles = {one for one in calls("info", "session_info") if one not in in_logs}
    rows = set(re.findall(r"^\| `([^`]+)` \|", TEXT.split("## 3.")[0], re.MULTILINE))
    assert roles == rows
    assert calls("text_word") <= set(re.findall(r'text_word\("([^"]+)"\)', TEXT))


def test_every_format_of_a_file_is_told() -> None:
    values = {node.value for node in constants() if isinstance(node, ast.Constant)}
    formats = {one for one in values if isinstance(one, str) and re.fullmatch(r"consentry [a-z ]+ \d+", one)}
    assert formats == set(re.findall(r"^\| `(consentry [^`]+)` \|", TEXT, re.MULTILINE))


def test_every_document_of_the_wire_is_named() -> None:
    tree = ast.parse(Path(wire.__file__).read_text("utf-8"))
    documents = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} - {"Document"}
    section = TEXT.split("## 13.")[1].split("## 14.")[0]
    assert documents == set(re.findall(r"`([A-Z][A-Za-z]+)`", section))


# --- examples


def test_the_examples_are_the_vectors() -> None:
    [block] = blocks("vectors")
    values = json.loads(frozen.PATH.read_text("utf-8"))["values"]
    examples = [line.rsplit(": ", 1) for line in block.splitlines()]
    assert len(examples) > 12
    for name, shown in examples:
        whole = values[name]
        assert whole == shown or (shown.endswith("…") and whole.startswith(shown[:-1])), name


def test_it_is_short_enough_to_be_read() -> None:
    lines = TEXT.splitlines()
    assert len(lines) <= 285
    assert all(len(line) <= 120 for line in lines)
