"""Three clients that owe each other nothing, and what each makes of typed data: viem, cast, eth-account.

Each takes messages as JSON has them, so that what a wallet would be handed is what is tried.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from consentry.cli.insider.wallet import sealed

ROOT = Path(__file__).parents[2]
# Beyond it two integers can be one double: they are written as strings of decimal digits.
MOST_OF_A_DOUBLE = 2**53
_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@dataclass(frozen=True)
class Answer:
    """What a client says of a message; cast tells no digest."""

    signature: bytes
    digest: bytes | None = None


def typed(text: str, where: dict[str, Any], values: Any) -> dict[str, Any]:
    """A message as JSON has it. ``text`` is its EIP-712 type, the types that it names behind it; ``values``
    are in its order."""
    types = {name: _fields(fields) for name, fields in re.findall(r"(\w+)\(([^)]*)\)", _DOMAIN + text)}
    primary = text.partition("(")[0]
    return {
        "types": types,
        "primaryType": primary,
        "domain": where,
        "message": _message(types, primary, values),
    }


def by_viem(messages: list[dict[str, Any]], key: bytes) -> list[Answer]:
    """What viem says of them, all in one run of Node."""
    question = json.dumps({"key": "0x" + key.hex(), "messages": messages})
    command = ["node", ROOT / "tools" / "clients" / "viem.mjs"]
    run = subprocess.run(command, input=question, capture_output=True, text=True, check=True)
    return [
        Answer(bytes.fromhex(each["signature"][2:]), bytes.fromhex(each["digest"][2:]))
        for each in json.loads(run.stdout)
    ]


def by_cast(messages: list[dict[str, Any]], key: bytes) -> list[Answer]:
    """What Foundry's `cast wallet sign` says of them; the key is in a keystore, as a person would have it."""
    with TemporaryDirectory() as folder:
        keystore, password, data = (Path(folder) / name for name in ("key", "password", "data.json"))
        keystore.write_text(sealed(key, "a password", iterations=2))
        password.write_text("a password")
        command = [ROOT / ".venv/bin/cast", "wallet", "sign", "--keystore", keystore]
        command += ["--password-file", password, "--data", "--from-file", data]
        answers = []
        for message in messages:
            data.write_text(json.dumps(message))
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            answers.append(Answer(bytes.fromhex(run.stdout.strip()[2:])))
        return answers


def by_eth_account(messages: list[dict[str, Any]], key: bytes) -> list[Answer]:
    """What eth-account says of them."""
    answers = []
    for message in messages:
        signable = encode_typed_data(full_message=message)
        digest = keccak(b"\x19\x01" + signable.header + signable.body)
        answers.append(Answer(bytes(Account.sign_message(signable, key).signature), digest))
    return answers


CLIENTS: dict[str, Callable[[list[dict[str, Any]], bytes], list[Answer]]] = {
    "viem": by_viem,
    "cast": by_cast,
    "eth-account": by_eth_account,
}


def _fields(text: str) -> list[dict[str, str]]:
    return [dict(zip(("type", "name"), field.split(" "), strict=True)) for field in text.split(",")]


def _message(types: dict[str, Any], name: str, values: Any) -> dict[str, Any]:
    fields = types[name]
    return {
        field["name"]: _message(types, field["type"], value) if field["type"] in types else _plain(value)
        for field, value in zip(fields, values, strict=True)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and value >= MOST_OF_A_DOUBLE:
        return str(value)
    return value
