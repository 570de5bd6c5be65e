// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ProviderRegistry} from "../../contracts/ProviderRegistry.sol";
import {IProviderRegistry} from "../../contracts/interfaces/IProviderRegistry.sol";
import {SVM, VM} from "./Symbolic.sol";

/// @title What the provider registry says of a role and of an organisation, in every state
contract ProviderProofs {
    uint16 private constant _ORGANISATION = 0x8000;
    uint16 private constant _ROLES = 0x801f;

    ProviderRegistry private _providers;

    function setUp() public {
        address[] memory first = new address[](1);
        first[0] = address(0xa1);
        _providers = new ProviderRegistry(first);
        SVM.enableSymbolicStorage(address(_providers));
    }

    /// @notice `holds` names the organisation of the credential, or the provider itself where it has none, whatever the
    /// role; and says yes only to a live credential that has the role, and of a member only while the organisation
    /// lives, too.
    /// @dev Symbolic: the registry's storage, the time, provider and role. Nothing is bounded or assumed.
    function check_holds_says_where_somebody_works(address provider, uint16 role) public {
        VM.warp(SVM.createUint(40, "time"));
        (bool yes, address organisation) = _providers.holds(provider, role);
        (,, uint16 roles,, address employer) = _providers.credentialOf(provider);
        assert(organisation == (employer == address(0) ? provider : employer));
        if (!yes) return;
        assert(role & _ROLES != 0 && roles & role == role & _ROLES && _isLive(provider));
        if (employer == address(0)) return;
        (,, roles,,) = _providers.credentialOf(employer);
        // An account may name itself as its organisation; being one, it is its own member.
        assert(employer == provider || roles & _ORGANISATION != 0);
        assert(_isLive(employer));
    }

    function _isLive(address who) private view returns (bool) {
        (uint40 from, uint40 until,, IProviderRegistry.Status status,) =
            _providers.credentialOf(who);
        if (status != IProviderRegistry.Status.Active) return false;
        return from <= block.timestamp && block.timestamp < until;
    }
}
