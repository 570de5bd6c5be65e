// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What an actor did, in order
/// @dev Base of the AccessLog: one chain of hashes an actor, so that nothing it did can be left out or put in later.
abstract contract EntryChain {
    mapping(address actor => bytes32) private _heads;

    /// @dev The last link of an actor's chain; before the first one what names the actor on this chain and contract.
    function _headOf(address actor) internal view returns (bytes32 head) {
        head = _heads[actor];
        if (head == 0) head = keccak256(abi.encode(block.chainid, address(this), actor));
    }

    /// @dev Makes a link that holds the one before the last of the caller's chain, and of nobody else's.
    function _append(bytes32 link) internal {
        _heads[msg.sender] = link;
    }
}
