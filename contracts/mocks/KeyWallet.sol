// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "../interfaces/IERC1271.sol";

/// @title A contract account with one key
/// @notice Accepts its key's signatures (ERC-1271) and does what its key's holder sends: enough of a Safe to be a
/// patient, an actor or an authority.
contract KeyWallet is IERC1271 {
    address private immutable _key;

    /// @notice Thrown when somebody else sends.
    error NotKey(address who);

    constructor(address key) {
        _key = key;
    }

    /// @notice Calls a contract in the account's name and hands back its answer, or its refusal.
    function execute(address to, bytes calldata data) external returns (bytes memory answer) {
        if (msg.sender != _key) revert NotKey(msg.sender);
        bool done;
        (done, answer) = to.call(data);
        if (done) return answer;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature)
        external
        view
        returns (bytes4)
    {
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        bool mine = ecrecover(hash, uint8(signature[64]), r, s) == _key;
        return mine ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}
