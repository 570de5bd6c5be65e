// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What exists?
/// @notice Each contributor anchors records under its own name, so that nobody can occupy another's record id. An
/// anchor proves that a blob existed and was not changed; it says nothing about a person.
interface IRecordRegistry {
    /// @notice Emitted when a record was anchored.
    /// @param contributor Who anchored it.
    /// @param recordId The record's id.
    /// @param anchorHash `keccak256(abi.encode(anchorSalt, recordId, sha256(blob)))`.
    event RecordAnchored(address indexed contributor, bytes32 indexed recordId, bytes32 anchorHash);

    /// @notice Emitted when a newer record took a record's place.
    /// @param contributor Who anchored both.
    /// @param oldRecordId The record that is out of date.
    /// @param newRecordId The record that is meant now.
    event RecordSuperseded(
        address indexed contributor, bytes32 indexed oldRecordId, bytes32 indexed newRecordId
    );

    /// @notice Thrown when an anchor is zero.
    /// @param recordId For which record.
    error AnchorEmpty(bytes32 recordId);

    /// @notice Thrown when a contributor anchors the same record twice.
    /// @param contributor Who anchors.
    /// @param recordId Which record.
    error RecordAlreadyAnchored(address contributor, bytes32 recordId);

    /// @notice Thrown when a contributor supersedes a record that it never anchored.
    /// @param contributor Who supersedes.
    /// @param recordId Which record.
    error RecordNotAnchored(address contributor, bytes32 recordId);

    /// @notice Thrown when a record that already has a successor should get another.
    /// @param contributor Who supersedes.
    /// @param recordId Which record.
    error RecordAlreadySuperseded(address contributor, bytes32 recordId);

    /// @notice Anchors a record in the caller's name.
    /// @param recordId The record's id; not yet anchored by the caller.
    /// @param anchorHash `keccak256(abi.encode(anchorSalt, recordId, sha256(blob)))`; not zero.
    function anchor(bytes32 recordId, bytes32 anchorHash) external;

    /// @notice Anchors a record that takes the place of an older one; both anchors remain.
    /// @param oldRecordId A record that the caller anchored, without a successor.
    /// @param newRecordId The new record's id; not yet anchored by the caller.
    /// @param anchorHash The new record's anchor; not zero.
    function supersede(bytes32 oldRecordId, bytes32 newRecordId, bytes32 anchorHash) external;

    /// @notice A record's anchor.
    /// @param contributor Who anchored it.
    /// @param recordId Which record.
    /// @return anchorHash The anchor; zero where there is none.
    function anchorOf(address contributor, bytes32 recordId)
        external
        view
        returns (bytes32 anchorHash);

    /// @notice A record's successor.
    /// @param contributor Who anchored both.
    /// @param recordId Which record.
    /// @return newRecordId The record that took its place; zero where there is none.
    function successorOf(address contributor, bytes32 recordId)
        external
        view
        returns (bytes32 newRecordId);
}
