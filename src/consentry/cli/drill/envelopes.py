"""Envelopes that a contributor makes by hand, and not as the desk does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from consentry.consent.terms import Terms
from consentry.envelope.deposit import Part, make_parts, message, new_header
from consentry.envelope.leaf import Label, Leaf, make_leaf
from consentry.envelope.statement import Statement
from consentry.keyholder.roster import Roster
from consentry.keys.binding import Deployment
from consentry.keys.hpke import new_seed
from consentry.keys.typed import Signer

CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
"""A well-formed content id; nobody has to hold what it names."""


def made_by_hand(
    deployment: Deployment,
    roster: Roster,
    signer: Signer,
    statement: Statement,
    terms: Terms | None = None,
    *,
    leaves: Callable[[Leaf], list[Leaf]] = lambda leaf: [leaf],
    shares: Callable[[list[bytes]], list[bytes]] = lambda shares: shares,
    salt: bytes | None = None,
    cid: str = CID,
    label_of: str | None = None,
    **header_changes: Any,
) -> list[Part]:
    """The parts of an envelope of one record that ``signer`` deals under ``statement`` and signs: honest but
    for what the callables and ``header_changes`` do to leaf, shares and header."""
    honest, halves = new_header(deployment, statement, signer.address, roster.threshold, roster.highest)
    header = replace(honest, **header_changes)
    leaf, dealt = make_leaf(
        header.place(deployment),
        halves,
        record_salt=salt or new_seed(),
        anchor_salt=new_seed(),
        data_key=new_seed(),
        digest=new_seed(),
        cid=cid,
        label=Label("general", "2026-01-15", label_of or signer.address, "text/plain"),
        threshold=roster.threshold,
        count=roster.highest,
    )
    made = [(one, shares(dealt)) for one in leaves(leaf)]
    encoded = terms.encode() if terms else b""
    parts = make_parts(deployment, header, made, keyholder_keys=roster.keys, terms=encoded)
    signature = signer.sign_typed_data(message(deployment, parts[0].envelope))
    return [replace(part, signature=signature) for part in parts]
