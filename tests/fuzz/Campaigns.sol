// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConsentInvariants, Everybody} from "../invariants/Consent.t.sol";
import {LogInvariants, Writers} from "../invariants/Log.t.sol";

/// @title The people of an invariant test, led by Medusa
/// @notice Medusa looks for assertions that fail, and for calls that reach code which none reached before. What the
/// people refuse, and an invariant that does not hold, is a failed assertion here. The time passes as Medusa wants it.
abstract contract Campaign {
    bytes4 private constant _WAIT = bytes4(keccak256("wait(uint256)"));

    address internal _people;
    bytes4[] private _tries;

    /// @notice Has the people do one thing.
    /// @param which Which of all that they do.
    /// @param words What with.
    function act(uint256 which, uint256[9] calldata words) external {
        _try(abi.encodePacked(_tries[which % _tries.length], words));
    }

    /// @notice Looks whether all still holds, and leaves no trace of having looked.
    function look() external {
        try this.undone() {
            assert(false);
        } catch (bytes memory answer) {
            assert(answer.length == 0);
        }
    }

    /// @notice Checks everything, and takes back what the checks did.
    function undone() external {
        _check();
        assembly ("memory-safe") {
            revert(0x00, 0x00)
        }
    }

    /// @dev Begins with these people and all that they do, but for letting time pass.
    function _begin(address people, bytes4[] memory tries) internal {
        _people = people;
        for (uint256 i = 0; i < tries.length; ++i) {
            if (tries[i] != _WAIT) _tries.push(tries[i]);
        }
    }

    /// @dev Whatever is tried, the people carry on, unless something happened that may not.
    function _try(bytes memory what) internal {
        (bool done,) = _people.call(what);
        assert(done);
    }

    /// @dev Reverts with a reason where something does not hold any more.
    function _check() internal virtual;
}

/// @title Promises 1 and 2
contract ConsentCampaign is Campaign {
    constructor() {
        ConsentInvariants invariants = new ConsentInvariants();
        invariants.setUp();
        ConsentInvariants.Calls memory calls = invariants.targetSelectors()[0];
        _begin(calls.addr, calls.selectors);
    }

    function _check() internal override {
        Everybody everybody = Everybody(_people);
        everybody.checkController();
        everybody.checkRevoked();
        everybody.checkRevocable();
    }
}

/// @title Promise 5
contract LogCampaign is Campaign {
    constructor() {
        LogInvariants invariants = new LogInvariants();
        invariants.setUp();
        bytes4[] memory tries = new bytes4[](8);
        tries[0] = Writers.request.selector;
        tries[1] = Writers.requestWithSignature.selector;
        tries[2] = Writers.breakGlass.selector;
        tries[3] = Writers.confirm.selector;
        tries[4] = Writers.grant.selector;
        tries[5] = Writers.suspendOrReinstate.selector;
        tries[6] = Writers.anchor.selector;
        tries[7] = Writers.anything.selector;
        _begin(invariants.targetContracts()[0], tries);
    }

    /// @notice Somebody reviews; apart, since not every word is a bool.
    function review(uint256 by, uint256 glass, bool justified) external {
        _try(abi.encodeCall(Writers.review, (by, glass, justified)));
    }

    function _check() internal view override {
        Writers(_people).check();
    }
}
