// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRecordRegistry} from "./interfaces/IRecordRegistry.sol";

/// @title What exists?
contract RecordRegistry is IRecordRegistry {
    mapping(address contributor => mapping(bytes32 recordId => bytes32)) private _anchors;
    mapping(address contributor => mapping(bytes32 recordId => bytes32)) private _successors;

    /// @inheritdoc IRecordRegistry
    function anchor(bytes32 recordId, bytes32 anchorHash) external {
        _anchor(recordId, anchorHash);
    }

    /// @inheritdoc IRecordRegistry
    function supersede(bytes32 oldRecordId, bytes32 newRecordId, bytes32 anchorHash) external {
        if (_anchors[msg.sender][oldRecordId] == 0) {
            revert RecordNotAnchored(msg.sender, oldRecordId);
        }
        if (_successors[msg.sender][oldRecordId] != 0) {
            revert RecordAlreadySuperseded(msg.sender, oldRecordId);
        }
        _anchor(newRecordId, anchorHash);
        _successors[msg.sender][oldRecordId] = newRecordId;
        emit RecordSuperseded(msg.sender, oldRecordId, newRecordId);
    }

    /// @inheritdoc IRecordRegistry
    function anchorOf(address contributor, bytes32 recordId) external view returns (bytes32) {
        return _anchors[contributor][recordId];
    }

    /// @inheritdoc IRecordRegistry
    function successorOf(address contributor, bytes32 recordId) external view returns (bytes32) {
        return _successors[contributor][recordId];
    }

    function _anchor(bytes32 recordId, bytes32 anchorHash) private {
        if (anchorHash == 0) revert AnchorEmpty(recordId);
        if (_anchors[msg.sender][recordId] != 0) {
            revert RecordAlreadyAnchored(msg.sender, recordId);
        }
        _anchors[msg.sender][recordId] = anchorHash;
        emit RecordAnchored(msg.sender, recordId, anchorHash);
    }
}
