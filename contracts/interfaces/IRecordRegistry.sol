// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A batch, as it stands in its page.
struct Link {
    bytes32 root; // of the batch's tree
    uint32 count; // how many records are in it
}

/// @notice Where a record's anchor stands in a batch: what proves it.
/// @dev The tree's leaf at a place is `keccak256(abi.encode(contributor, recordId, anchorHash, index))`; its node is
/// `keccak256(abi.encode(left, right))`; leaves are filled up with zero words to a power of two. A page is a chain of
/// batches: `keccak256(abi.encode(link before, root, count))`, zero before the first.
struct Place {
    uint64 page; // which page of the contributor's
    uint32 index; // which leaf, from zero
    uint32 count; // how many records are in the batch
    bytes32 before; // the page's last link before this batch
    bytes32[] proof; // the siblings from the leaf to the root
    Link[] later; // the batches that followed on the page
}

/// @title What exists?
/// @notice Each contributor anchors records under its own name, so that nobody can occupy another's record id. An
/// anchor proves that a blob existed and was not changed; it says nothing about a person. Nothing takes an anchor
/// away: a newer version, or the mark that a record was erased, stands beside it.
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

    /// @notice Emitted when a batch of records was anchored; which records they are it does not tell.
    /// @param contributor Who anchored them.
    /// @param page On which page of the contributor's.
    /// @param root The root of the tree of their anchors.
    /// @param count How many they are.
    event BatchAnchored(
        address indexed contributor, uint64 indexed page, bytes32 root, uint32 count
    );

    /// @notice Emitted when a contributor said that it erased a record.
    /// @param contributor Who anchored and erased it.
    /// @param recordId Which record.
    event RecordErased(address indexed contributor, bytes32 indexed recordId);

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

    /// @notice Thrown when a batch has no root or no records.
    error BatchEmpty();

    /// @notice Thrown when a place does not prove that a contributor's batch holds this anchor of this record.
    /// @param contributor Whose batch.
    /// @param recordId Which record.
    error NotInBatch(address contributor, bytes32 recordId);

    /// @notice Thrown when a record is marked as erased twice.
    /// @param contributor Who marks.
    /// @param recordId Which record.
    error RecordAlreadyErased(address contributor, bytes32 recordId);

    /// @notice Anchors a record in the caller's name.
    /// @param recordId The record's id; not yet anchored by the caller.
    /// @param anchorHash `keccak256(abi.encode(anchorSalt, recordId, sha256(blob)))`; not zero.
    function anchor(bytes32 recordId, bytes32 anchorHash) external;

    /// @notice Anchors a batch of records in the caller's name. An anchor in it is found by `isInBatch` only, whose proof
    /// lists the later batches of the page: turn the page after some dozens. Where batches of one contributor hold two
    /// anchors of one record, the older one counts.
    /// @param page Any number; the caller's own pages.
    /// @param root The root of the tree of their anchors (`Place` says how it is made); not zero.
    /// @param count How many records they are; not zero.
    function anchorBatch(uint64 page, bytes32 root, uint32 count) external;

    /// @notice Gives an anchor of a batch a slot of its own, as if it had been anchored alone; anybody may, since the
    /// proof is the contributor's word.
    /// @param contributor Whose batch.
    /// @param recordId The record's id; not yet anchored alone by the contributor.
    /// @param anchorHash Its anchor in the batch.
    /// @param place Where it stands.
    function anchorFromBatch(
        address contributor,
        bytes32 recordId,
        bytes32 anchorHash,
        Place calldata place
    ) external;

    /// @notice Anchors a record that takes the place of an older one; both anchors remain. Chains neither fork nor
    /// loop: a record has one successor, and a successor is new.
    /// @param oldRecordId A record that the caller anchored, alone or by `anchorFromBatch`, without a successor.
    /// @param newRecordId The new record's id; not yet anchored by the caller.
    /// @param anchorHash The new record's anchor; not zero.
    function supersede(bytes32 oldRecordId, bytes32 newRecordId, bytes32 anchorHash) external;

    /// @notice Says for ever that the caller erased a record; the anchor remains, and opens nothing.
    /// @param recordId A record that the caller anchored alone.
    function markErased(bytes32 recordId) external;

    /// @notice Says the same of a record in a batch.
    /// @param recordId A record in a batch of the caller's.
    /// @param anchorHash Its anchor there.
    /// @param place Where it stands.
    function markErasedInBatch(bytes32 recordId, bytes32 anchorHash, Place calldata place) external;

    /// @notice A record's anchor; those in batches are not among them.
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

    /// @notice When a contributor said that it erased a record.
    /// @param contributor Who anchored it.
    /// @param recordId Which record.
    /// @return time In Unix seconds; zero: never.
    function erasedAt(address contributor, bytes32 recordId) external view returns (uint40 time);

    /// @notice The last link of a page, to which a `Place` has to lead.
    /// @param contributor Whose page.
    /// @param page Which one.
    /// @return head The link; zero where the page is empty.
    function pageHead(address contributor, uint64 page) external view returns (bytes32 head);

    /// @notice Whether a batch of a contributor's holds this anchor of this record.
    /// @param contributor Whose batch.
    /// @param recordId Which record.
    /// @param anchorHash Its anchor.
    /// @param place Where it should stand.
    /// @return yes True where it does.
    function isInBatch(
        address contributor,
        bytes32 recordId,
        bytes32 anchorHash,
        Place calldata place
    ) external view returns (bool yes);
}
