// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "../interfaces/IERC1271.sol";

/// @title Whether an account signed a digest
/// @dev ecrecover comes first, also for an account with code: a wallet that delegated itself (EIP-7702) to a contract
/// without ERC-1271 keeps its key, and must not lose the power to revoke.
library Signatures {
    /// @dev Half the order of secp256k1: of the two values of s that fit a signature only the lower counts (EIP-2).
    uint256 private constant _HALF_ORDER =
        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice Whether the signer's key made the signature, or the signer, being a contract, accepts it.
    /// @param signer Who should have signed; never true for zero.
    /// @param digest What was signed.
    /// @param signature 65 bytes (r, s, v), 64 bytes (r, v and s: EIP-2098), or what the contract understands.
    /// @return yes True where it did.
    function isValid(address signer, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bool yes)
    {
        if (signer == address(0)) return false;
        return _recover(digest, signature) == signer || _accepts(signer, digest, signature);
    }

    /// @dev Zero where the bytes are no signature.
    function _recover(bytes32 digest, bytes calldata signature) private pure returns (address) {
        bytes32 r;
        bytes32 s;
        uint8 v;
        if (signature.length == 65) {
            r = bytes32(signature[0:32]);
            s = bytes32(signature[32:64]);
            v = uint8(signature[64]);
        } else if (signature.length == 64) {
            r = bytes32(signature[0:32]);
            uint256 vs = uint256(bytes32(signature[32:64]));
            s = bytes32(vs & type(uint256).max >> 1);
            v = uint8(27 + (vs >> 255));
        } else {
            return address(0);
        }
        if (uint256(s) > _HALF_ORDER) return address(0);
        return ecrecover(digest, v, r, s);
    }

    /// @dev Asks a contract, and reads no more of its answer than one word.
    function _accepts(address signer, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool)
    {
        if (signer.code.length == 0) return false;
        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        bool answered;
        bytes32 answer;
        assembly ("memory-safe") {
            answered := staticcall(gas(), signer, add(question, 0x20), mload(question), 0x00, 0x20)
            answered := and(answered, gt(returndatasize(), 0x1f))
            answer := mload(0x00)
        }
        return answered && answer == bytes32(IERC1271.isValidSignature.selector);
    }
}
