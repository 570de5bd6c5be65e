// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "../interfaces/IERC1271.sol";
import {IERC7913SignatureVerifier} from "../interfaces/IERC7913.sol";

/// @title Whether somebody signed a digest
/// @notice Three kinds of signers, told apart by their bytes: a wallet's key (20 bytes, its address), a contract
/// account (20 bytes, its address; ERC-1271), and a key without an account (the address of an ERC-7913 verifier,
/// and behind it the key).
/// @dev ecrecover comes first, also for an account with code: a wallet that delegated itself (EIP-7702) to a contract
/// without ERC-1271 keeps its key, and must not lose the power to revoke.
library Signatures {
    /// @dev Half the order of secp256k1: of the two values of s that fit a signature only the lower counts (EIP-2).
    uint256 private constant _HALF_ORDER =
        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @dev What a contract that is asked may use: enough for three P-256 signatures computed without a precompile.
    uint256 private constant _MOST_GAS = 1_000_000;

    /// @notice Whether the signer's key made the signature, or the contract that speaks for the signer accepts it.
    /// @param signer Who should have signed; never true for the zero address, nor for fewer than 20 bytes.
    /// @param digest What was signed.
    /// @param signature 65 bytes (r, s, v), 64 bytes (r, v and s: EIP-2098), or what the contract understands.
    /// @return yes True where it did. A contract that reverts, answers short, or wants too much gas says no.
    function isValid(bytes calldata signer, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bool yes)
    {
        if (signer.length < 20) return false;
        address who = address(bytes20(signer));
        if (signer.length == 20) {
            if (who == address(0)) return false;
            if (_recover(digest, signature) == who) return true;
            return _says(
                who,
                IERC1271.isValidSignature.selector,
                abi.encodeCall(IERC1271.isValidSignature, (digest, signature))
            );
        }
        return _says(
            who,
            IERC7913SignatureVerifier.verify.selector,
            abi.encodeCall(IERC7913SignatureVerifier.verify, (signer[20:], digest, signature))
        );
    }

    /// @notice Under which identity a signer acts: a wallet's or contract's address, left-padded; of an ERC-7913
    /// signer the hash, and as a controller, guardian or trustee the last 20 bytes of the hash.
    /// @param signer At least 20 bytes; fewer are nobody's.
    /// @return who The identity.
    function identityOf(bytes calldata signer) internal pure returns (bytes32 who) {
        if (signer.length == 20) return bytes32(uint256(uint160(bytes20(signer))));
        return keccak256(signer);
    }

    /// @dev Zero where the bytes are no signature. They are read where they lie: slices would check their bounds anew
    /// each time, for 200 gas.
    function _recover(bytes32 digest, bytes calldata signature) private pure returns (address) {
        bytes32 r;
        bytes32 s;
        uint8 v;
        if (signature.length == 65) {
            // The bytes are read where they lie, see above.
            // slither-disable-next-line assembly
            assembly ("memory-safe") {
                r := calldataload(signature.offset)
                s := calldataload(add(signature.offset, 0x20))
                v := byte(0, calldataload(add(signature.offset, 0x40)))
            }
        } else if (signature.length == 64) {
            uint256 vs;
            assembly ("memory-safe") {
                r := calldataload(signature.offset)
                vs := calldataload(add(signature.offset, 0x20))
            }
            s = bytes32(vs & type(uint256).max >> 1);
            v = uint8(27 + (vs >> 255));
        } else {
            return address(0);
        }
        if (uint256(s) > _HALF_ORDER) return address(0);
        return ecrecover(digest, v, r, s);
    }

    /// @dev Asks a contract, with bounded gas, and reads no more of its answer than one word. An address without code
    /// is not asked: the identity precompile hands back the question, which starts with the magic value.
    function _says(address who, bytes4 magic, bytes memory question) private view returns (bool) {
        if (who.code.length == 0) return false;
        bool answered;
        bytes32 answer;
        uint256 most = _MOST_GAS;
        // Solidity would copy the whole answer, however long.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            answered := staticcall(most, who, add(question, 0x20), mload(question), 0x00, 0x20)
            answered := and(answered, gt(returndatasize(), 0x1f))
            answer := mload(0x00)
        }
        return answered && answer == bytes32(magic);
    }
}
