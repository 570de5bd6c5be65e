// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRecordRegistry, Place} from "./interfaces/IRecordRegistry.sol";

/// @title What exists?
contract RecordRegistry is IRecordRegistry {
    mapping(address contributor => mapping(bytes32 recordId => bytes32)) private _anchors;
    mapping(address contributor => mapping(bytes32 recordId => bytes32)) private _successors;
    /// @dev The last link of each page; a batch changes this word, where a slot of its own would cost four times that.
    mapping(address contributor => mapping(uint64 page => bytes32)) private _pages;
    mapping(address contributor => mapping(bytes32 recordId => uint40)) private _erasures;

    /// @inheritdoc IRecordRegistry
    function anchor(bytes32 recordId, bytes32 anchorHash) external {
        _anchor(msg.sender, recordId, anchorHash);
    }

    /// @inheritdoc IRecordRegistry
    function anchorBatch(uint64 page, bytes32 root, uint32 count) external {
        if (root == 0 || count == 0) revert BatchEmpty();
        _pages[msg.sender][page] = _link(_pages[msg.sender][page], root, count);
        emit BatchAnchored(msg.sender, page, root, count);
    }

    /// @inheritdoc IRecordRegistry
    function anchorFromBatch(
        address contributor,
        bytes32 recordId,
        bytes32 anchorHash,
        Place calldata place
    ) external {
        _checkPlace(contributor, recordId, anchorHash, place);
        _anchor(contributor, recordId, anchorHash);
    }

    /// @inheritdoc IRecordRegistry
    function supersede(bytes32 oldRecordId, bytes32 newRecordId, bytes32 anchorHash) external {
        _checkAnchored(oldRecordId);
        if (_successors[msg.sender][oldRecordId] != 0) {
            revert RecordAlreadySuperseded(msg.sender, oldRecordId);
        }
        _anchor(msg.sender, newRecordId, anchorHash);
        _successors[msg.sender][oldRecordId] = newRecordId;
        emit RecordSuperseded(msg.sender, oldRecordId, newRecordId);
    }

    /// @inheritdoc IRecordRegistry
    function markErased(bytes32 recordId) external {
        _checkAnchored(recordId);
        _markErased(recordId);
    }

    /// @inheritdoc IRecordRegistry
    function markErasedInBatch(bytes32 recordId, bytes32 anchorHash, Place calldata place)
        external
    {
        _checkPlace(msg.sender, recordId, anchorHash, place);
        _markErased(recordId);
    }

    /// @inheritdoc IRecordRegistry
    function anchorOf(address contributor, bytes32 recordId) external view returns (bytes32) {
        return _anchors[contributor][recordId];
    }

    /// @inheritdoc IRecordRegistry
    function successorOf(address contributor, bytes32 recordId) external view returns (bytes32) {
        return _successors[contributor][recordId];
    }

    /// @inheritdoc IRecordRegistry
    function erasedAt(address contributor, bytes32 recordId) external view returns (uint40) {
        return _erasures[contributor][recordId];
    }

    /// @inheritdoc IRecordRegistry
    function pageHead(address contributor, uint64 page) external view returns (bytes32) {
        return _pages[contributor][page];
    }

    /// @inheritdoc IRecordRegistry
    function isInBatch(
        address contributor,
        bytes32 recordId,
        bytes32 anchorHash,
        Place calldata place
    ) public view returns (bool) {
        bytes32[] calldata proof = place.proof;
        uint256 index = place.index;
        uint256 depth = proof.length;
        if (index >= place.count) return false;
        // The last index has as many bits as the tree has levels, so that no two indices mean one place.
        uint256 last = place.count - 1;
        if (last >> depth != 0 || (depth != 0 && last >> (depth - 1) == 0)) return false;

        bytes32 node = keccak256(abi.encode(contributor, recordId, anchorHash, index));
        for (uint256 i = 0; i < depth; ++i) {
            bool isRight = index >> i & 1 == 1;
            node = isRight ? _node(proof[i], node) : _node(node, proof[i]);
        }
        bytes32 head = _link(place.before, node, place.count);
        for (uint256 i = 0; i < place.later.length; ++i) {
            head = _link(head, place.later[i].root, place.later[i].count);
        }
        return head == _pages[contributor][place.page];
    }

    function _anchor(address contributor, bytes32 recordId, bytes32 anchorHash) private {
        if (anchorHash == 0) revert AnchorEmpty(recordId);
        if (_anchors[contributor][recordId] != 0) {
            revert RecordAlreadyAnchored(contributor, recordId);
        }
        _anchors[contributor][recordId] = anchorHash;
        emit RecordAnchored(contributor, recordId, anchorHash);
    }

    function _markErased(bytes32 recordId) private {
        if (_erasures[msg.sender][recordId] != 0) revert RecordAlreadyErased(msg.sender, recordId);
        _erasures[msg.sender][recordId] = uint40(block.timestamp);
        emit RecordErased(msg.sender, recordId);
    }

    function _checkAnchored(bytes32 recordId) private view {
        if (_anchors[msg.sender][recordId] == 0) revert RecordNotAnchored(msg.sender, recordId);
    }

    function _checkPlace(
        address contributor,
        bytes32 recordId,
        bytes32 anchorHash,
        Place calldata place
    ) private view {
        if (!isInBatch(contributor, recordId, anchorHash, place)) {
            revert NotInBatch(contributor, recordId);
        }
    }

    // A leaf hashes four words, a link three, a node two: none can pass for another.

    function _link(bytes32 before, bytes32 root, uint32 count) private pure returns (bytes32) {
        return keccak256(abi.encode(before, root, count));
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encode(left, right));
    }
}
