"""Fixed people, keys and places for tests that need no chain: the same in every run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from consentry.chain.signers import LocalSigner
from consentry.consent.card import Card
from consentry.consent.terms import READ, Reading, Terms
from consentry.envelope.deposit import Header, Part, make_parts, message, new_header
from consentry.envelope.leaf import Halves, Label, Leaf, Place, make_leaf
from consentry.envelope.statement import SignedStatement, Statement, first_statement
from consentry.envelope.statement import message as statement_message
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.roster import Roster, succeed
from consentry.keys.binding import Deployment
from consentry.keys.hpke import ALGORITHM, public_key

DEPLOYMENT = Deployment(31337, bytes([0x0E]) * 32, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
ELSEWHERE = Deployment(31337, bytes([0x0F]) * 32, DEPLOYMENT.registry)
NOON = 1_767_225_600 + 12 * 3600
DAY = 86_400


def seed(number: int) -> bytes:
    """A 32-byte secret that nobody should use."""
    return bytes([number]) * 32


def signer(number: int) -> LocalSigner:
    """The signer with that secret as its key."""
    return LocalSigner(seed(number))


PATIENT, STRANGER, HOSPITAL, AUTHORITY = signer(1), signer(2), signer(3), signer(4)
PATIENT_SEED, HOSPITAL_SEED, SEGMENT_SEED = seed(11), seed(13), seed(21)
SEGMENT = seed(31)
PATIENT_ID = bytes(12) + bytes.fromhex(PATIENT.address[2:])
HOSPITAL_ID = bytes(12) + bytes.fromhex(HOSPITAL.address[2:])
KEYHOLDER_SEEDS = [seed(41 + number) for number in range(5)]
ROSTER = Roster(
    3,
    tuple(
        KeyholderCard(
            n, f"keyholder {n}", signer(50 + n).address, public_key(KEYHOLDER_SEEDS[n - 1]), f"at:{n}"
        )
        for n in range(1, 6)
    ),
)
NEWCOMER_SEED = seed(46)
NEWCOMER = KeyholderCard(6, "keyholder 6", signer(56).address, public_key(NEWCOMER_SEED), "at:6")


def approved(to: Roster, by: Deployment = DEPLOYMENT) -> Roster:
    """The group with the approval of each that hands on to it; keyholder n signs as ``signer(50 + n)``."""
    said = to.approval(by)
    return replace(to, approvals={n: signer(50 + n).sign_typed_data(said) for n in to.dealers})


NEXT = approved(succeed(ROSTER, added=[NEWCOMER], removed=[4]))
"""Those who come after: keyholder 4 leaves, and 6 is new."""
LABEL = Label("general", "2026-01-15", HOSPITAL.address, "application/fhir+json")


def a_statement(kind: str = "general") -> Statement:
    """The patient's first statement on her segment."""
    return first_statement(
        DEPLOYMENT,
        patient=PATIENT_ID,
        segment=SEGMENT,
        kind=kind,
        seed=SEGMENT_SEED,
        patient_key=public_key(PATIENT_SEED),
        keyholders=ROSTER.hash,
    )


def signed_statement(statement: Statement, by: LocalSigner = PATIENT) -> SignedStatement:
    """The statement with a signature."""
    body = statement.encode()
    return SignedStatement(body, by.sign_typed_data(statement_message(DEPLOYMENT, body)))


@dataclass(frozen=True)
class Dealt:
    """An envelope of the hospital's with its secrets."""

    header: Header
    halves: Halves
    leaves: list[tuple[Leaf, list[bytes]]]
    parts: list[Part]

    @property
    def place(self) -> Place:
        return self.header.place(DEPLOYMENT)


def dealt(records: int = 1, *, by: LocalSigner = HOSPITAL, under: Statement | None = None) -> Dealt:
    """An envelope of ``records`` records into the patient's segment, signed."""
    header, halves = new_header(DEPLOYMENT, under or a_statement(), by.address, 3, 5)
    leaves = [
        make_leaf(
            header.place(DEPLOYMENT),
            halves,
            record_salt=seed(100 + number),
            anchor_salt=seed(120 + number),
            data_key=seed(140 + number),
            digest=seed(160 + number),
            cid=f"cid-{number}",
            label=LABEL,
            threshold=3,
            count=5,
        )
        for number in range(records)
    ]
    return Dealt(header, halves, leaves, signed_parts(header, leaves, by))


def signed_parts(
    header: Header, leaves: list[tuple[Leaf, list[bytes]]], by: LocalSigner = HOSPITAL
) -> list[Part]:
    """The parts of an envelope with the contributor's signature."""
    parts = make_parts(DEPLOYMENT, header, leaves, keyholder_keys=ROSTER.keys, terms=b"")
    signature = by.sign_typed_data(message(DEPLOYMENT, parts[0].envelope))
    return [Part(p.header, p.open_parts, p.sealed_parts, p.shares, signature, p.terms) for p in parts]


READING = Reading("Test Hospital may read my general records for treatment.", bytes(32), seed(71))


def some_terms(**changes: object) -> Terms:
    """Terms to read the patient's segment for treatment for a year."""
    values: dict[str, object] = {
        "patient": PATIENT_ID,
        "grantee": HOSPITAL_ID,
        "segment": SEGMENT,
        "record": bytes(32),
        "purposes": 1,
        "flags": READ,
        "not_before": NOON,
        "expires_at": NOON + 365 * DAY,
        "epoch": 0,
        "reading_hash": READING.hash,
    }
    return Terms(**{**values, **changes})  # type: ignore[arg-type]


def a_card(by: LocalSigner = AUTHORITY, **changes: object) -> Card:
    """The hospital's card, signed by the authority."""
    values: dict[str, object] = {
        "salt": seed(81),
        "name": "Test Hospital",
        "number": "1234567893",
        "address": HOSPITAL.address,
        "algorithm": ALGORITHM,
        "public_key": public_key(HOSPITAL_SEED),
        "authority": AUTHORITY.address,
    }
    bare = Card(**{**values, **changes})  # type: ignore[arg-type]
    return Card(**{**values, **changes, "signature": by.sign_typed_data(bare.message(DEPLOYMENT))})  # type: ignore[arg-type]
