// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConsentInvariants, Everybody} from "../invariants/Consent.t.sol";

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
    function act(uint256 which, uint256[4] calldata words) external {
        bytes4 what = _tries[which % _tries.length];
        (bool done,) = _people.call(abi.encodePacked(what, words));
        assert(done);
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
