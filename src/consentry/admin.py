"""The desk of an authority: onboard, suspend, reinstate, retire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eth_utils.address import is_checksum_address

from consentry.chain.contracts import Chain
from consentry.chain.transaction import Receipt
from consentry.client.person import Person
from consentry.consent.card import Card, Offer, new_card
from consentry.errors import Refused, UsageError

EMERGENCY, REVIEWER, ORGANISATION = 2, 16, 0x8000
_NOBODY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Applicant:
    """A provider to onboard: the ``offer`` it made, its ``name`` and register ``number``, its ``roles`` (mask
    of 16 bits), the ``organisation`` it is a member of (checksummed address or None), and its validity in
    block time (seconds, 40 bits)."""

    offer: Offer
    name: str
    number: str
    roles: int
    organisation: str | None
    valid_from: int
    valid_until: int

    def __post_init__(self) -> None:
        """Raises `UsageError` for a value that no credential can hold."""
        if not 0 <= self.roles < 1 << 16:
            raise UsageError(f"the roles {self.roles} are not a mask of 16 bits")
        if self.organisation is not None and not is_checksum_address(self.organisation):
            raise UsageError(f"the organisation {self.organisation!r} is not a checksummed address")
        if not 0 <= self.valid_from < self.valid_until < 1 << 40:
            raise UsageError("a credential has to end after it begins; give times in seconds")


class Admin:
    """An authority's desk; ``me`` is the authority."""

    def __init__(self, chain: Chain, me: Person) -> None:
        self._chain, self._me = chain, me

    def onboard(self, applicants: Sequence[Applicant]) -> list[Card]:
        """Makes and signs a card for each applicant and puts all credentials on chain in one transaction.

        Repeating it with the same applicants gives the same cards and sends nothing twice, also when a
        provider has a newer card since. Raises `CardInvalid` for an offer that does not verify, `UsageError`
        for a provider that stands twice in the list, and `Refused` when I am no authority."""
        self._need_authority()
        if len({applicant.offer.address for applicant in applicants}) < len(applicants):
            raise UsageError("a provider stands twice in the list; give each one credential")
        for applicant in applicants:
            applicant.offer.verify(self._chain.deployment, self._chain.wallet_accepts)
        parcel = self._me.outbox.parcel("onboard", *(_key(applicant) for applicant in applicants))
        if not parcel.state:
            parcel.state["cards"] = [self._card(applicant).to_json() for applicant in applicants]
            parcel.save()
        cards = [Card.from_json(text) for text in parcel.state["cards"]]
        if "finished" in parcel.state:
            return cards
        issue = [
            _credential(applicant, card)
            for applicant, card in zip(applicants, cards, strict=True)
            if self._chain.card_hash_of(card.address) != card.hash
        ]
        if issue:
            self._chain.send(self._me.signer, "ProviderRegistry", "issueBatch", issue)
        parcel.state["finished"] = True
        parcel.save()
        return cards

    def _card(self, applicant: Applicant) -> Card:
        identity = {"name": applicant.name, "number": applicant.number}
        card = new_card(applicant.offer, **identity, authority=self._me.address)
        signature = self._me.signer.sign_typed_data(card.message(self._chain.deployment))
        return replace(card, signature=signature)

    def _need_authority(self) -> None:
        if not self._chain.rpc.call("ProviderRegistry", "isAuthority", self._me.address):
            raise Refused(
                f"{self._me.address} is no authority of this deployment; deployments.json names who is"
            )

    def suspend(self, provider: str) -> Receipt:
        """Stops a credential at once; grants stay and work again after `reinstate`."""
        return self._chain.send(self._me.signer, "ProviderRegistry", "suspend", provider)

    def reinstate(self, provider: str) -> Receipt:
        """Restores a suspended credential."""
        return self._chain.send(self._me.signer, "ProviderRegistry", "reinstate", provider)

    def retire(self, provider: str) -> Receipt:
        """Ends a credential for ever."""
        return self._chain.send(self._me.signer, "ProviderRegistry", "retire", provider)


def _credential(applicant: Applicant, card: Card) -> tuple[object, ...]:
    validity = (applicant.valid_from, applicant.valid_until)
    return (card.address, *validity, applicant.roles, applicant.organisation or _NOBODY, card.hash)


def _key(applicant: Applicant) -> bytes:
    fields = (applicant.name, applicant.number, applicant.roles, applicant.organisation)
    validity = (applicant.valid_from, applicant.valid_until)
    return repr((applicant.offer.to_json(), *fields, *validity)).encode()
