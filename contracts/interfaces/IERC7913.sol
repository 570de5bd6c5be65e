// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Signatures of keys that have no account (ERC-7913)
/// @notice A signer is the 20 bytes of a verifier's address followed by a key that this verifier understands.
interface IERC7913SignatureVerifier {
    /// @notice Whether a key made a signature of this hash.
    /// @param key What follows the verifier's address in the signer.
    /// @param hash What was signed.
    /// @param signature What is said to be the signature.
    /// @return magicValue This function's selector, 0x024ad318, where it did.
    function verify(bytes calldata key, bytes32 hash, bytes calldata signature)
        external
        view
        returns (bytes4 magicValue);
}
