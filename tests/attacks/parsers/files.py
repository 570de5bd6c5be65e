"""Files in JSON that people hand to one another, or that lie where others may reach them; and FHIR."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from consentry.chain.deployments import Deployed, Deployments, Placed
from consentry.chain.manifest import NAMES
from consentry.cli.granting import deliver_file
from consentry.client.grant import deliver
from consentry.consent.card import Card, Offer, _fields, verify_card
from consentry.consent.membership import Membership, admit, take
from consentry.fhir import records_from_bytes, records_from_file, scan
from consentry.keyholder.card import read_cards, write_card
from consentry.keyholder.roster import Roster, assemble, succeed
from consentry.keys import keyring
from consentry.keys.binding import json_decode
from consentry.keys.hpke import ALGORITHM, public_key, wrap
from consentry.keys.keyring import Keyring
from tests.attacks.parsers.parser import Parser, document, in_file
from tests.attacks.parsers.sealed import BOX
from tests.support.fixed import (
    AUTHORITY,
    DEPLOYMENT,
    HOSPITAL,
    HOSPITAL_SEED,
    NEWCOMER,
    PATIENT,
    PATIENT_ID,
    PATIENT_SEED,
    ROSTER,
    a_card,
    approved,
    seed,
)

_QUICK = {"iterations": 1, "lanes": 1, "memory_cost": 8}
_LIMITS = {"iterations": 2, "lanes": 2, "memory_cost": 256}
_MEMBER = admit(
    DEPLOYMENT, HOSPITAL, HOSPITAL_SEED, a_card(address=PATIENT.address, public_key=public_key(PATIENT_SEED))
)
_BARE = Offer(HOSPITAL.address, ALGORITHM, public_key(HOSPITAL_SEED))
_OFFER = replace(_BARE, signature=HOSPITAL.sign_typed_data(_BARE.message(DEPLOYMENT)))

_FIRST = Roster(1, ROSTER.keyholders[:1])
_AFTER = approved(succeed(_FIRST, added=[NEWCOMER], removed=[1]))


def _written(write: Any) -> bytes:
    with TemporaryDirectory() as folder:
        write(path := Path(folder) / "file.json")
        return bytes(path.read_bytes())


def _card(data: bytes) -> object:
    card = Card.from_json(data)
    signed = replace(card, signature=AUTHORITY.sign_typed_data(card.message(DEPLOYMENT)))
    verify_card(DEPLOYMENT, signed, hash_on_chain=card.hash, is_authority=True, live=True)
    return card.title, Card.from_json(card.to_json())


def _offer(data: bytes) -> None:
    offer = Offer.from_json(data)
    offer.verify(DEPLOYMENT)


def _membership(data: bytes) -> object:
    handed = Membership.from_json(data)
    return take(DEPLOYMENT, handed, me=PATIENT.address, my_seed=PATIENT_SEED, card=a_card())


def _handed_seed(plain: bytes) -> object:
    info = DEPLOYMENT.info("member", HOSPITAL.address, PATIENT.address)
    bare = replace(_MEMBER, wrapped=wrap(plain, public_key(PATIENT_SEED), info))
    signed = replace(bare, signature=HOSPITAL.sign_typed_data(bare.message(DEPLOYMENT)))
    return take(DEPLOYMENT, signed, me=PATIENT.address, my_seed=PATIENT_SEED, card=a_card())


def _deployments(path: Path) -> object:
    file = Deployments(path)
    return file.only(), file.find(DEPLOYMENT.chain_id, DEPLOYMENT.genesis)


def _keyring(path: Path) -> object:
    with patch.dict(keyring._COST_LIMIT, _LIMITS):
        return Keyring.load(path, "a passphrase")


def _save(path: Path) -> None:
    with patch.dict(keyring._COST, _QUICK):
        Keyring(seed(1), seed(2), {HOSPITAL.address: seed(3)}).save(path, "a passphrase")


def _placed(path: Path) -> None:
    contracts = {name: Placed(DEPLOYMENT.registry, 7, [[AUTHORITY.address]]) for name in NAMES}
    deployed = Deployed(
        DEPLOYMENT.chain_id, DEPLOYMENT.genesis, contracts, [AUTHORITY.address], 2, ROSTER.hash
    )
    Deployments(path).add(deployed)


class _Chain:
    """It has the grant in force already, and holds every signature of the patient's."""

    deployment = DEPLOYMENT
    rpc = SimpleNamespace(call=lambda *_: None, receipts=[])

    def controller_of(self, patient: bytes) -> str:
        return PATIENT.address

    def wallet_accepts(self, *_: object) -> bool:
        return False

    def in_force(self, *_: object) -> bool:
        return True


_GROUP = SimpleNamespace(roster=ROSTER, give=lambda *_, **__: {1: None, 2: None, 3: None})
_GRANT = {
    "format": "consentry grant 1",
    "chainId": DEPLOYMENT.chain_id,
    "genesis": "0x" + DEPLOYMENT.genesis.hex(),
    "contract": DEPLOYMENT.registry,
    "patient": "0x" + PATIENT_ID.hex(),
    "signer": PATIENT.address,
    "grantId": "0x" + BOX.grant_id.hex(),
    "signature": "0x" + bytes(65).hex(),
    "box": "0x" + BOX.encode().hex(),
}
_BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]},
    "entry": [
        {"resource": {"resourceType": "Patient", "name": [{"family": "Test"}], "birthDate": "1970-01-01"}},
        {
            "fullUrl": "urn:uuid:1",
            "search": {"mode": "match"},
            "resource": {
                "resourceType": "Condition",
                "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F32.1"}]},
                "subject": {"reference": "Patient/1"},
                "recordedDate": "2026-01-15T10:00:00Z",
            },
        },
        {
            "resource": {
                "resourceType": "DocumentReference",
                "content": [{"attachment": {"contentType": "text/plain", "data": "VGVzdCBsZXR0ZXI="}}],
            }
        },
    ],
}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


FILES = {
    "JSON": Parser(document, _json(_BUNDLE), (json_decode,)),
    "a card": Parser(_card, a_card().to_json().encode(), (Card.from_json, _fields, verify_card)),
    "an offer": Parser(_offer, _OFFER.to_json().encode(), (Offer.from_json,)),
    "a membership": Parser(_membership, _MEMBER.to_json().encode(), (Membership.from_json, take)),
    "what a membership hands over": Parser(_handed_seed, HOSPITAL_SEED, (take,)),
    "keyholders.json": Parser(
        in_file(lambda path: Roster.load(path, ROSTER.hash)), _written(ROSTER.save), (Roster.load,)
    ),
    "keyholders.json of those who came after": Parser(
        in_file(lambda path: Roster.load(path, _FIRST.hash, DEPLOYMENT)),
        _written(_AFTER.save),
        (Roster.load, Roster.read, Roster.from_json),
    ),
    "a keyholder's card": Parser(
        in_file(lambda path: assemble([path], 1).hash),
        _written(lambda path: write_card(path, replace(ROSTER.keyholders[0], url="https://one.example"))),
        (assemble, read_cards),
    ),
    "deployments.json": Parser(
        in_file(_deployments), _written(_placed), (Deployments._read, Deployments.find, Deployments.only)
    ),
    "a keyring": Parser(in_file(_keyring), _written(_save), (Keyring.load,)),
    "grant.json": Parser(
        in_file(lambda path: deliver_file(_Chain(), _GROUP, HOSPITAL, path)),  # type: ignore[arg-type]
        _json(_GRANT),
        (deliver_file, deliver),
    ),
    "a Bundle": Parser(
        records_from_bytes, _json(_BUNDLE), (records_from_bytes, scan.decode, scan.parse, scan._value), 400
    ),
    "a resource": Parser(
        records_from_bytes, _json(_BUNDLE["entry"][1]["resource"]), (records_from_bytes,), 400
    ),
    "a file": Parser(in_file(records_from_file), _json(_BUNDLE), (records_from_file,), 400),
}
