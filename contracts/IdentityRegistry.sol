// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Recovery} from "./identity/Recovery.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Who acts for this patient?
abstract contract IdentityRegistry is Recovery {
    /// @dev The purposes of purposes.csv that are secondary: all but TREAT (0), PATRQT (5) and ETREAT (6). As bits of
    /// the account's flags they say what the patient opted out of.
    uint256 internal constant _SECONDARY = 0xffffff9e;

    mapping(bytes32 patient => bytes32) private _encryptionKeyHashes;

    /// @inheritdoc IIdentityRegistry
    function setController(bytes32 patient, address controller) external {
        _setController(patient, controller, _sender());
    }

    /// @inheritdoc IIdentityRegistry
    function setControllerBySig(
        bytes32 patient,
        address controller,
        bytes calldata signer,
        bytes calldata signature
    ) external {
        bytes32 message = TypedData.newController(patient, controller, _useSequence(patient));
        _setController(patient, controller, _signerOf(patient, signer, message, signature));
    }

    /// @inheritdoc IIdentityRegistry
    function setEncryptionKey(bytes32 patient, uint16 algorithm, bytes calldata publicKey)
        external
    {
        _setEncryptionKey(patient, algorithm, publicKey, _sender());
    }

    /// @inheritdoc IIdentityRegistry
    function setEncryptionKeyBySig(
        bytes32 patient,
        uint16 algorithm,
        bytes calldata publicKey,
        bytes calldata signer,
        bytes calldata signature
    ) external {
        uint256 sequence = _useSequence(patient);
        bytes32 message = TypedData.encryptionKey(patient, algorithm, publicKey, sequence);
        bytes32 who = _signerOf(patient, signer, message, signature);
        _setEncryptionKey(patient, algorithm, publicKey, who);
    }

    /// @inheritdoc IIdentityRegistry
    function setOptOut(bytes32 patient, uint32 purposes) external {
        _setOptOut(patient, purposes, _sender());
    }

    /// @inheritdoc IIdentityRegistry
    function setOptOutBySig(
        bytes32 patient,
        uint32 purposes,
        bytes calldata signer,
        bytes calldata signature
    ) external {
        bytes32 message = TypedData.optOut(patient, purposes, _useSequence(patient));
        _setOptOut(patient, purposes, _signerOf(patient, signer, message, signature));
    }

    /// @inheritdoc IIdentityRegistry
    function encryptionKeyHash(bytes32 patient) external view returns (bytes32) {
        return _encryptionKeyHashes[patient];
    }

    function _setController(bytes32 patient, address controller, bytes32 who) private {
        (uint256 word, uint256 mark) = _accountFor(patient, who);
        _checkNoGuardian(patient, mark);
        if (controller == address(0)) revert ControllerZero(patient);
        _accounts[patient] = word >> 160 << 160 | uint160(controller);
        emit ControllerChanged(patient, controller, _nameOf(who));
    }

    function _setEncryptionKey(
        bytes32 patient,
        uint16 algorithm,
        bytes calldata publicKey,
        bytes32 who
    ) private {
        _accountFor(patient, who);
        if (publicKey.length == 0) revert EncryptionKeyEmpty(patient);
        _encryptionKeyHashes[patient] = keccak256(abi.encode(algorithm, publicKey));
        emit EncryptionKeySet(patient, algorithm, publicKey);
    }

    function _setOptOut(bytes32 patient, uint32 purposes, bytes32 who) private {
        (uint256 word,) = _accountFor(patient, who);
        if (purposes & ~_SECONDARY != 0) revert PurposeNotSecondary(patient, purposes);
        _accounts[patient] = word & ~(_SECONDARY << 224) | uint256(purposes) << 224;
        emit OptOutChanged(patient, purposes);
    }
}
