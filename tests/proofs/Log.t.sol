// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessLog} from "../../contracts/AccessLog.sol";
import {IBreakGlass} from "../../contracts/interfaces/IBreakGlass.sol";
import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IProviderRegistry} from "../../contracts/interfaces/IProviderRegistry.sol";
import {Anybody, SVM, VM} from "./Symbolic.sol";

/// @title A consent registry that says anything, beside a provider registry
contract AnyConsents is Anybody {
    IProviderRegistry public immutable providers;

    constructor(IProviderRegistry registry) {
        providers = registry;
    }
}

/// @title Promise 5, from every state and for every call
contract LogProofs {
    AccessLog private _log;

    function setUp() public {
        IProviderRegistry providers = IProviderRegistry(address(new Anybody()));
        _log = new AccessLog(IConsentRegistry(address(new AnyConsents(providers))));
        SVM.enableSymbolicStorage(address(_log));
    }

    /// @notice Whatever anybody calls, nobody else's chain of entries changes, nobody else is written into a
    /// break-glass as requester, confirmer or reviewer, and nothing but `reviewBreakGlass` reviews.
    /// @dev Symbolic: the log's storage, the time, caller and all arguments, the answers of both registries. Bounded:
    /// one record a request, three earlier break-glasses of a requester that were not looked at yet.
    /// @custom:halmos --array-lengths signer=20,signature=65 --default-array-lengths 1 --loop 3
    function check_only_the_caller_writes_in_its_name(
        address caller,
        address actor,
        bytes32 accessId
    ) public {
        VM.warp(SVM.createUint(40, "time"));
        bytes32 head = _log.headOf(actor);
        IBreakGlass.Glass memory before = _log.glassOf(accessId);
        bytes memory data = SVM.createCalldata("AccessLog");
        VM.prank(caller);
        (bool done,) = address(_log).call(data);
        VM.assume(done);
        IBreakGlass.Glass memory then = _log.glassOf(accessId);
        assert(caller == actor || _log.headOf(actor) == head);
        assert(then.requester == before.requester || then.requester == caller);
        assert(then.confirmer == before.confirmer || then.confirmer == caller);
        assert(then.reviewer == before.reviewer || then.reviewer == caller);
        if (bytes4(data) == IBreakGlass.reviewBreakGlass.selector) return;
        assert(then.reviewer == before.reviewer && then.reviewedAt == before.reviewedAt);
    }
}

/// @title A provider registry of which nothing is known, but that it does not change its mind
contract AnyProviders {
    struct Answer {
        bool yes;
        address organisation;
    }

    mapping(address provider => mapping(uint16 role => Answer)) public holds;
}

/// @title Who reviews, from every state of the log, whatever a provider registry says of roles and organisations
/// @notice `ProviderProofs` show what ours says.
contract ReviewProofs {
    uint16 private constant _EMERGENCY = 2;
    uint16 private constant _REVIEWER = 16;

    IProviderRegistry private _providers;
    AccessLog private _log;

    function setUp() public {
        _providers = IProviderRegistry(address(new AnyProviders()));
        SVM.enableSymbolicStorage(address(_providers));
        _log = new AccessLog(IConsentRegistry(address(new AnyConsents(_providers))));
        SVM.enableSymbolicStorage(address(_log));
    }

    /// @notice Whoever reviews a break-glass holds the reviewer's role, is neither requester nor confirmer, and is of
    /// no organisation that either is of, or was of when it acted; and only what was confirmed and not yet reviewed is
    /// reviewed. No other function does that, by the proof of `LogProofs`, nor does this one to any other than it names.
    /// @dev Symbolic: the log's storage, the answers of the provider registry, the time, caller and all arguments.
    /// Nothing is bounded or assumed.
    function check_a_review_comes_from_a_third(
        address caller,
        bytes32 accessId,
        bool justified,
        bytes32 noteHash
    ) public {
        VM.warp(SVM.createUint(40, "time"));
        IBreakGlass.Glass memory before = _log.glassOf(accessId);
        VM.prank(caller);
        _log.reviewBreakGlass(accessId, justified, noteHash);
        assert(before.confirmedAt != 0 && before.reviewedAt == 0);
        assert(caller != before.requester && caller != before.confirmer);
        (bool yes, address organisation) = _providers.holds(caller, _REVIEWER);
        assert(yes);
        assert(organisation != before.requesterOrganisation);
        assert(organisation != before.confirmerOrganisation);
        (, address one) = _providers.holds(before.requester, _EMERGENCY);
        (, address other) = _providers.holds(before.confirmer, _EMERGENCY);
        assert(organisation != one && organisation != other);
    }

    /// @notice A review changes nothing in any break-glass but the one that it names.
    /// @dev Symbolic: as above. Nothing is bounded or assumed.
    function check_a_review_changes_no_other(
        address caller,
        bytes32 accessId,
        bytes32 reviewed,
        bool justified
    ) public {
        VM.assume(accessId != reviewed);
        VM.warp(SVM.createUint(40, "time"));
        IBreakGlass.Glass memory before = _log.glassOf(accessId);
        VM.prank(caller);
        _log.reviewBreakGlass(reviewed, justified, 0);
        IBreakGlass.Glass memory then = _log.glassOf(accessId);
        assert(then.reviewer == before.reviewer && then.reviewedAt == before.reviewedAt);
        assert(then.requester == before.requester && then.confirmer == before.confirmer);
    }
}
