"""A chain that splits: what was signed for one half is nothing on the other."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError

from bench._anvil import anvil
from tests.contracts.words import Terms, domain, grant_message, identity, raw, word

MANIFEST = Path(__file__).parent.parent.parent / "src" / "consentry" / "artifacts" / "manifest.json"


def test_the_domains_follow_the_chain_id() -> None:
    kinds = json.loads(MANIFEST.read_text("utf-8"))["contractTypes"]
    patient = Account.from_key(word("key of the patient"))
    with anvil() as url:
        w3 = Web3(HTTPProvider(url))
        sender = {"from": w3.eth.accounts[0]}

        def deploy(name: str, *arguments: Any) -> Any:
            code = kinds[name]["deploymentBytecode"]["bytecode"]
            made = w3.eth.contract(abi=kinds[name]["abi"], bytecode=code).constructor(*arguments)
            receipt = w3.eth.wait_for_transaction_receipt(made.transact(sender))
            return w3.eth.contract(receipt["contractAddress"], abi=kinds[name]["abi"])

        providers = deploy("ProviderRegistry", [w3.eth.accounts[0]])
        consents = deploy("ConsentRegistry", providers.address).functions
        terms = Terms(identity(patient), identity(w3.eth.accounts[1]))
        before = (consents.domainSeparator().call(), consents.controlDomainSeparator().call())

        def deliver(chain_id: int) -> None:
            message = grant_message(domain(consents.grant, chain_id), terms)
            signature = bytes(patient.sign_message(message).signature)
            consents.grantBySig(terms.patient, raw(patient), terms.id, signature).call(sender)

        deliver(31337)
        w3.provider.make_request("anvil_setChainId", [31338])  # type: ignore[arg-type]
        assert w3.eth.chain_id == 31338
        after = (consents.domainSeparator().call(), consents.controlDomainSeparator().call())
        assert len({*before, *after}) == 4
        deliver(31338)
        with pytest.raises(ContractCustomError):
            deliver(31337)
