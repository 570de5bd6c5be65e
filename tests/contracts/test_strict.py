"""A test that expects one refusal fails on any other."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.contracts.words import Terms, credential, word


def test_another_custom_error_is_not_the_expected_one(consents: Any, me: bytes, stranger: Any) -> None:
    with pytest.raises(AssertionError), ape.reverts(consents.GrantEnded):
        consents.revokeAll(me, sender=stranger)


def test_an_error_that_comes_through_a_wallet_is_told_from_others(
    project: Any, providers: Any, stranger: Any, clinician: Any
) -> None:
    wallet = stranger.deploy(project.KeyWallet, stranger)
    data = providers.suspend.encode_input(clinician)
    with ape.reverts(providers.NotAuthority, who=wallet.address):
        wallet.execute(providers, data, sender=stranger)
    with pytest.raises(AssertionError), ape.reverts(providers.ProviderZero):
        wallet.execute(providers, data, sender=stranger)
    with pytest.raises(AssertionError), ape.reverts(providers.NotAuthority, who=stranger.address):
        wallet.execute(providers, data, sender=stranger)


def test_a_revert_without_an_error_is_none_of_them(project: Any, stranger: Any, terms: Terms) -> None:
    adrift = stranger.deploy(project.AccessLog, stranger)
    with pytest.raises(AssertionError), ape.reverts(adrift.NoRecords):
        adrift.request(terms.words, [word("salt")], 1, word("reply"), word("agent"), sender=stranger)


def test_an_error_with_a_quotation_mark_in_its_data_is_told_from_others(consents: Any, stranger: Any) -> None:
    patient = b"'" * 32
    with ape.reverts(consents.NotController, patient=patient, who=stranger.address):
        consents.revokeAll(patient, sender=stranger)
    with pytest.raises(AssertionError), ape.reverts(consents.GrantEnded):
        consents.revokeAll(patient, sender=stranger)


def test_a_value_has_to_be_one_of_the_errors(providers: Any, stranger: Any) -> None:
    with pytest.raises(AssertionError), ape.reverts(providers.NotAuthority, authority=stranger.address):
        providers.issue(credential(stranger), sender=stranger)
