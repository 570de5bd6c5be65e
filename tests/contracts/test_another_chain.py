"""A chain that splits: what was signed for one half is nothing on the other."""

import pytest
from eth_account import Account
from web3.exceptions import ContractCustomError

from tests.contracts.anvils import node
from tests.contracts.words import Terms, domain, grant_message, identity, raw, word


def test_the_domains_follow_the_chain_id() -> None:
    patient = Account.from_key(word("key of the patient"))
    with node() as here:
        consents = here.consents.functions
        terms = Terms(identity(patient), identity(here.sender))
        before = (consents.domainSeparator().call(), consents.controlDomainSeparator().call())

        def deliver(chain_id: int) -> None:
            message = grant_message(domain(here.consents, chain_id), terms)
            signature = bytes(patient.sign_message(message).signature)
            consents.grantBySig(terms.patient, raw(patient), terms.id, signature).call()

        deliver(31337)
        for other in (31336, 31338):
            here.w3.provider.make_request("anvil_setChainId", [other])  # type: ignore[arg-type]
            assert here.w3.eth.chain_id == other
            after = (consents.domainSeparator().call(), consents.controlDomainSeparator().call())
            assert len({*before, *after}) == 4
            deliver(other)
            with pytest.raises(ContractCustomError):
                deliver(31337)
