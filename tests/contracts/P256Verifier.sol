// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {IERC7913SignatureVerifier} from "contracts/interfaces/IERC7913.sol";

/// @title Signatures of P-256 keys (ERC-7913)
/// @notice The key is x and y, the signature r and s, 32 bytes each. By the chain's precompile, or without.
contract P256Verifier is IERC7913SignatureVerifier {
    /// @inheritdoc IERC7913SignatureVerifier
    function verify(bytes calldata key, bytes32 hash, bytes calldata signature)
        external
        view
        returns (bytes4)
    {
        if (key.length != 64 || signature.length != 64) return 0xffffffff;
        (bytes32 x, bytes32 y) = abi.decode(key, (bytes32, bytes32));
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        return P256.verify(hash, r, s, x, y) ? this.verify.selector : bytes4(0xffffffff);
    }
}
