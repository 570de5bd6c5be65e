"""The durable steps of deposit, grant, open and revoke, all named here.

A step is done when this function is told of it: from then on, whatever stops the machine, the same command
run again goes on behind it. Each is an auditing event of the interpreter (`sys.addaudithook`), so that a
site can log the steps or a test can end the process at any of them; nothing else listens.
"""

from __future__ import annotations

import sys
from enum import StrEnum

EVENT = "consentry.durable"


class Step(StrEnum):
    """What is done and will stay; ``docs/errors.md`` has them in order, verb by verb."""

    COPY = "own copy saved"
    OVER = "parcel dropped"
    # deposit
    SEALED = "blob sealed into the parcel"
    SALTED = "keys and salts saved"
    PINNED = "blob pinned"
    NAMED = "content ids saved"
    SIGNED = "envelopes signed and saved"
    DEALT = "part dealt to a keyholder"
    HELD = "acknowledgements saved"
    ANCHORED = "record anchored"
    FORGOTTEN = "keys and salts forgotten"
    FINISHED = "result saved"
    # grant
    PROPOSED = "proposals saved"
    BOXED = "key box given to a keyholder"
    GRANTED = "grants in force on chain"
    # open
    REPLY_KEY = "reply key saved"
    REQUESTED = "entry written on chain"
    RELEASED = "share released by a keyholder"
    PLACED = "file in its place"
    # revoke
    STOPPED = "grant stopped at a keyholder"
    REVOKED = "grant ended on chain"
    # rotation, with any verb of the patient's
    VERSIONED = "next key version saved"
    STATED = "statement given to a keyholder"


def durable(step: Step) -> None:
    """Says that ``step`` is done; it changes nothing."""
    sys.audit(EVENT, step.value)


__all__ = ["EVENT", "Step", "durable"]
