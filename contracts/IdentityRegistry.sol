// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";

/// @title Who acts for this patient?
/// @dev Base of the ConsentRegistry, so that controller and epoch stand in the one word that every grant reads.
abstract contract IdentityRegistry is IIdentityRegistry {
    /// @dev One slot.
    struct Account {
        address controller; // 0: the identity itself
        uint64 epoch;
        uint32 flags; // reserved
    }

    mapping(bytes32 patient => Account) private _accounts;
    mapping(bytes32 patient => bytes32) private _encryptionKeyHashes;

    /// @inheritdoc IIdentityRegistry
    function setController(bytes32 patient, address controller) external {
        _accountFor(patient, msg.sender);
        if (controller == address(0)) revert ControllerZero(patient);
        _accounts[patient].controller = controller;
        emit ControllerChanged(patient, controller, msg.sender);
    }

    /// @inheritdoc IIdentityRegistry
    function setEncryptionKey(bytes32 patient, uint16 algorithm, bytes calldata publicKey)
        external
    {
        _accountFor(patient, msg.sender);
        if (publicKey.length == 0) revert EncryptionKeyEmpty(patient);
        _encryptionKeyHashes[patient] = keccak256(abi.encode(algorithm, publicKey));
        emit EncryptionKeySet(patient, algorithm, publicKey);
    }

    /// @inheritdoc IIdentityRegistry
    function account(bytes32 patient)
        external
        view
        returns (address controller, uint64 epoch, uint32 flags)
    {
        Account memory stored = _accounts[patient];
        return (stored.controller, stored.epoch, stored.flags);
    }

    /// @inheritdoc IIdentityRegistry
    function controllerOf(bytes32 patient) external view returns (address) {
        return _controller(patient, _accounts[patient]);
    }

    /// @inheritdoc IIdentityRegistry
    function encryptionKeyHash(bytes32 patient) external view returns (bytes32) {
        return _encryptionKeyHashes[patient];
    }

    /// @inheritdoc IIdentityRegistry
    function epochOf(bytes32 patient) public view returns (uint64) {
        return _accounts[patient].epoch;
    }

    /// @dev Changes the epoch to a number that nobody knew before this block, so that nobody can be made to sign
    /// terms for an epoch to come.
    function _changeEpoch(bytes32 patient, Account memory old) internal returns (uint64 epoch) {
        epoch = uint64(uint256(keccak256(abi.encode(blockhash(block.number - 1), patient, old))));
        if (epoch == old.epoch) epoch = ~epoch;
        _accounts[patient].epoch = epoch;
    }

    /// @dev The account of a patient for whom `who` signs; refuses everybody else.
    function _accountFor(bytes32 patient, address who)
        internal
        view
        returns (Account memory stored)
    {
        stored = _accounts[patient];
        if (who == address(0) || who != _controller(patient, stored)) {
            revert NotController(patient, who);
        }
    }

    /// @dev An identity that is no address has nobody to sign for it until it has a controller.
    function _controller(bytes32 patient, Account memory stored) private pure returns (address) {
        if (stored.controller != address(0)) return stored.controller;
        return uint256(patient) >> 160 == 0 ? address(uint160(uint256(patient))) : address(0);
    }
}
