"""Asking for a key without an entry of one's own, on this chain, for this record, now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from eth_utils.crypto import keccak
from web3 import Web3

from consentry.admin import Admin, Applicant
from consentry.chain import Chain, Deployed
from consentry.chain.contracts import Entry
from consentry.chain.deploying import Code, Deployer
from consentry.chain.node import identify
from consentry.cli.demo.scenes import DAY, propose, write_entry
from consentry.cli.drill.tries import Drill
from consentry.client import Client
from consentry.consent.terms import READ, Terms
from consentry.errors import ContractRefused
from consentry.keyholder.checks import MAX_AGE
from consentry.keyholder.messages import Call, Keyholder, ReleaseAsked
from consentry.keys.hpke import new_seed, public_key

_TREAT = 1
_NO_AGENT = bytes(32)


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of ``who`` under ``terms``, and the seed of its reply key."""

    drill: Drill
    who: str
    terms: Terms
    entry: Entry
    seed: bytes = field(default_factory=new_seed, repr=False)

    def calls(self, who: str | None = None, **changes: Any) -> Callable[[Keyholder], Call]:
        """The call to each keyholder, signed by ``who`` (the actor): honest but for ``changes``."""
        asked = ReleaseAsked(self.entry.record_id, self.terms, self.entry, public_key(self.seed))
        body = replace(asked, **changes).encode()
        stage = self.drill.stage
        signer, deployment = stage.people[who or self.who].signer, stage.chain.deployment
        return lambda keyholder: Call.signed(deployment, signer, keyholder.card, "release", body)


def play(drill: Drill, code: Code, elsewhere: Web3) -> None:
    """All of it; ``elsewhere`` is another chain."""
    grant = drill.listing.grant.granted
    mine = written(drill, grant.terms, drill.listing.record_salt)
    clinician = drill.stage.people["clinician"].address
    drill.note("the clinician, on an entry of its own", *drill.taken(clinician, mine.calls(), mine.seed))
    _made_up(drill, mine)
    _of_elsewhere(drill, mine, code, elsewhere)
    _of_another_record(drill, mine)
    _of_another_actor(drill, mine)
    _overheard(drill, mine)
    _suspended(drill, mine)
    _revoked(drill)
    _too_old(drill, mine)


def written(drill: Drill, terms: Terms, salt: bytes, chain: Chain | None = None) -> Access:
    """A true entry by the clinician, here or on another ``chain``."""
    seed, chain, clinician = new_seed(), chain or drill.stage.chain, drill.stage.people["clinician"]
    arguments = (terms.as_tuple(), [salt], _TREAT, keccak(public_key(seed)), _NO_AGENT)
    chain.send(clinician.signer, "AccessLog", "request", *arguments)
    entry = chain.entries(actor=clinician.address)[-1]
    return Access(drill, "clinician", terms, entry.claim, seed)


def _made_up(drill: Drill, mine: Access) -> None:
    seed = new_seed()
    entry = replace(mine.entry, access_id=new_seed(), reply_key_hash=keccak(public_key(seed)))
    bare = replace(mine, entry=entry, seed=seed)
    clinician = drill.stage.people["clinician"].address
    what = "with a grant in force asks without an entry, by one that it makes up"
    drill.present("the clinician", what, clinician, bare.calls(), seed)


def _of_elsewhere(drill: Drill, mine: Access, code: Code, elsewhere: Web3) -> None:
    """The same people, terms and words, in the same contracts on another chain, and beside these on this."""
    clinician = drill.stage.people["clinician"].address
    for web3, where in ((elsewhere, "another chain"), (drill.stage.chain.rpc.web3, "another contract")):
        chain = _another(drill, mine.terms, code, web3)
        theirs = written(drill, mine.terms, drill.listing.record_salt, chain)
        block = min(theirs.entry.block, drill.stage.chain.head().number)
        theirs = replace(theirs, entry=replace(theirs.entry, block=block))
        what = f"brings a true entry of {where}"
        drill.present("the clinician", what, clinician, theirs.calls(), theirs.seed)


def _another(drill: Drill, terms: Terms, code: Code, web3: Web3) -> Chain:
    """All contracts once more, where the clinician has a credential and the patient's grant."""
    stage = drill.stage
    authority, clinician = stage.people["authority"], stage.people["clinician"]
    contracts = Deployer(web3, code).deploy(authority.signer, [authority.address])
    roster = stage.group.roster
    chain = Chain(web3, Deployed(*identify(web3), contracts, [authority.address], 0, roster.hash))
    now, card = chain.head().time, stage.cards["clinician"]
    offer = Client(stage.store, chain, stage.group, clinician).offer()
    applicant = Applicant(offer, card.name, card.number, 1, None, now - DAY, now + DAY)
    Admin(chain, authority).onboard([applicant])
    chain.send(stage.people["patient"].signer, "ConsentRegistry", "grant", terms.patient, terms.grant_id)
    return chain


def _of_another_record(drill: Drill, mine: Access) -> None:
    hidden = next(one for one in drill.deposited if one.kind == "substance-use")
    clinician = drill.stage.people["clinician"].address
    what = f"asks for the {hidden.kind} record by a true entry for the general one"
    drill.present("the clinician", what, clinician, mine.calls(record_id=hidden.record_id), mine.seed)
    terms, seed = mine.terms, new_seed()
    entry = replace(mine.entry, record_id=hidden.record_id)
    drill.present(
        "the clinician",
        "writes that record's id into it",
        clinician,
        replace(mine, entry=entry).calls(),
        seed,
    )
    try:
        forged = replace(terms, segment=new_seed(), reading_hash=bytes(32))
        write_entry(drill.stage, "clinician", forged, drill.listing.record_salt)
        drill.line("the clinician", "writes an entry on terms of its own making", "an entry", "")
    except ContractRefused as error:
        drill.line("the clinician", "writes an entry on terms of its own making", "", _brief(error))


def _brief(error: ContractRefused) -> str:
    return f"ContractRefused: {str(error).partition('refused: ')[2].partition('(')[0]}"


def _of_another_actor(drill: Drill, mine: Access) -> None:
    for who, title in (("impostor", "another provider"), ("stranger", "a stranger")):
        address = drill.stage.people[who].address
        what = "presents the clinician's entry, to a reply key of its own"
        seed = new_seed()
        stolen = replace(mine, seed=seed, entry=replace(mine.entry, reply_key_hash=keccak(public_key(seed))))
        drill.present(title, what, address, stolen.calls(who), seed)
    try:
        write_entry(drill.stage, "impostor", mine.terms, drill.listing.record_salt)
        drill.line("another provider", "writes an entry on the clinician's grant", "an entry", "")
    except ContractRefused as error:
        drill.line("another provider", "writes an entry on the clinician's grant", "", _brief(error))


def _overheard(drill: Drill, mine: Access) -> None:
    """Whoever reads the clinician's line, as a proxy before a keyholder does."""
    clinician, seed = drill.stage.people["clinician"].address, new_seed()
    sent = {one.card.index: mine.calls()(one) for one in drill.stage.keyholders}
    drill.taken(clinician, lambda keyholder: sent[keyholder.card.index], mine.seed)

    def swapped(keyholder: Keyholder) -> Call:
        call = mine.calls()(keyholder)
        asked = replace(ReleaseAsked.decode(call.body), reply_key=public_key(seed))
        return replace(call, body=asked.encode())

    who = "an eavesdropper"
    drill.present(who, "swaps the reply key in the clinician's call", clinician, swapped, seed)
    again = (clinician, lambda keyholder: sent[keyholder.card.index], seed)
    drill.present(who, "sends the clinician's call again, as it was", *again)
    other = mine.calls(reply_key=public_key(seed))
    drill.present(
        "the clinician", "asks for the answer to another key than its entry names", clinician, other, seed
    )


@contextmanager
def _suspension(drill: Drill) -> Iterator[None]:
    clinician = drill.stage.people["clinician"].address
    drill.stage.admin.suspend(clinician)
    try:
        yield
    finally:
        drill.stage.admin.reinstate(clinician)


def _suspended(drill: Drill, mine: Access) -> None:
    clinician = drill.stage.people["clinician"].address
    with _suspension(drill):
        what = "is suspended after its entry, and asks"
        drill.present("the clinician", what, clinician, mine.calls(), mine.seed)


def _revoked(drill: Drill) -> None:
    """Request, revoke, release; the revocation is on chain alone, no keyholder was told."""
    stage, clinician = drill.stage, drill.stage.people["clinician"]
    offered, proposals = propose(stage, "clinician", ["mental-health"], READ)
    stage.desk("patient").grant(offered, proposals)
    [listing] = [
        one for one in stage.desk("clinician").list(stage.patient) if one.label.kind == "mental-health"
    ]
    terms = listing.grant.granted.terms
    mine = written(drill, terms, listing.record_salt)
    stage.chain.send(
        stage.people["patient"].signer, "ConsentRegistry", "revoke", terms.patient, terms.grant_id
    )
    what = "requests, the patient revokes on chain, it asks"
    drill.present("the clinician", what, clinician.address, mine.calls(), mine.seed)


def _too_old(drill: Drill, mine: Access) -> None:
    """The chain's clock goes on by an hour and a second."""
    provider: Any = drill.stage.chain.rpc.web3.provider
    for method, arguments in (("evm_increaseTime", [MAX_AGE + 1]), ("evm_mine", [])):
        provider.make_request(method, arguments)
    clinician = drill.stage.people["clinician"].address
    what = "asks by an entry of more than an hour ago"
    drill.present("the clinician", what, clinician, mine.calls(), mine.seed)
