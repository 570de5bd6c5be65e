"""Every secret that this process handles while it is watched, and where a stranger could find it."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest

from consentry.client.person import Person
from consentry.envelope import leaf
from consentry.keys import hpke, shamir

_GIVE_SECRETS: tuple[Callable[..., Any], ...] = (
    *(hpke.hkdf, hpke.unwrap, hpke.open_once),
    *(shamir.new_secret, shamir.split),
    *(leaf.first_half, leaf.data_key, leaf.own_data_key),
)
SHORTEST = 16  # bytes; what is shorter could be found by chance


@contextmanager
def watched() -> Iterator[set[tuple[str, bytes]]]:
    """Gives what those functions return while they are watched, wherever in the package they are called, each
    with its function's name."""
    found: set[tuple[str, bytes]] = set()

    def telling(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def tells(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            for one in result if isinstance(result, list | tuple) else [result]:
                if isinstance(one, bytes) and len(one) >= SHORTEST:
                    found.add((function.__name__, one))
            return result

        return tells

    watchers = {function: telling(function) for function in _GIVE_SECRETS}
    rooms = [module for name, module in sys.modules.items() if name.startswith("consentry.")]
    with pytest.MonkeyPatch.context() as patch:
        for room in rooms:
            for name, value in list(vars(room).items()):
                if callable(value) and value in watchers:
                    patch.setattr(room, name, watchers[value])
        yield found


def of(person: Person) -> Iterator[tuple[str, bytes]]:
    """What a person keeps secret."""
    yield "seed", person.keyring.seed
    key = getattr(person.signer, "_key", None)
    if isinstance(key, bytes):
        yield "signing key", key


def forms(secret: bytes) -> Iterator[bytes]:
    """A secret as it could be written down: its first 4 KiB at most, since a copy would begin with them."""
    secret = secret[:4096]
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b64encode(secret).rstrip(b"=")[:-1]
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")[:-1]
    yield repr(secret)[2:-1].encode()
