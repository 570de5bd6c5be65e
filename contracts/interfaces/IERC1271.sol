// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Signatures of contract accounts (ERC-1271)
interface IERC1271 {
    /// @notice Whether a contract account accepts a signature as its own.
    /// @param hash What was signed.
    /// @param signature Bytes that only the account understands.
    /// @return magicValue `0x1626ba7e`, this function's selector, where it does.
    function isValidSignature(bytes32 hash, bytes calldata signature)
        external
        view
        returns (bytes4 magicValue);
}
