// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreakGlass} from "./IBreakGlass.sol";
import {IConsentRegistry, Reason, Terms} from "./IConsentRegistry.sol";

/// @title Who did?
/// @notice The log that is a condition of the key: without an entry no keyholder releases anything. An actor writes
/// entries in its own name only, under terms that allow it at that moment; entries chain by hash, one chain an actor.
interface IAccessLog is IBreakGlass {
    /// @notice Emitted once a request: the terms that it used, now public.
    /// @param grantId The struct hash of the terms.
    /// @param terms The terms.
    event TermsUsed(bytes32 indexed grantId, Terms terms);

    /// @notice Emitted for each record of a request: one entry.
    /// @param actor Who asks to open the record.
    /// @param recordId Which record.
    /// @param grantId Under which grant.
    /// @param accessId The entry's chained hash, by which it is named.
    /// @param purpose For which purpose: one bit.
    /// @param replyKeyHash keccak256 of the one-time public key to which keyholders answer.
    /// @param agent What the actor says of its own staff: a claim.
    event Requested(
        address indexed actor,
        bytes32 indexed recordId,
        bytes32 indexed grantId,
        bytes32 accessId,
        uint32 purpose,
        bytes32 replyKeyHash,
        bytes32 agent
    );

    /// @notice Thrown when the terms do not allow the caller to read for this purpose now.
    /// @param grantId The struct hash of the terms.
    /// @param reason The first check that failed.
    error NotAllowed(bytes32 grantId, Reason reason);

    /// @notice Thrown when a request names no record.
    error NoRecords();

    /// @notice Thrown when terms for one record are used for another.
    /// @param recordId The record that was asked for.
    error RecordNotInTerms(bytes32 recordId);

    /// @notice Writes one entry a record, in the caller's name.
    /// @param terms The terms; they must allow the caller to READ for this purpose now.
    /// @param recordSalts The salts of the records' ids, `keccak256(abi.encode(patient, segment, recordSalt))`.
    /// @param purpose For which purpose: exactly one bit.
    /// @param replyKeyHash keccak256 of the one-time public key to which keyholders answer.
    /// @param agent What the actor says of its own staff; zero: nothing.
    /// @return accessId The last entry's chained hash.
    function request(
        Terms calldata terms,
        bytes32[] calldata recordSalts,
        uint32 purpose,
        bytes32 replyKeyHash,
        bytes32 agent
    ) external returns (bytes32 accessId);

    /// @notice Puts a signed grant that nobody delivered yet in force and uses it at once, so that what a patient signs
    /// at the bedside costs no gas until then. Already in force: it is used as by `request`. A grant that was revoked,
    /// or signed by somebody who no longer acts for the patient, is refused with the ConsentRegistry's own error.
    /// @param terms The terms; they must allow the caller to READ for this purpose now.
    /// @param recordSalts As in `request`.
    /// @param purpose For which purpose: exactly one bit.
    /// @param replyKeyHash As in `request`.
    /// @param agent What the actor says of its own staff; zero: nothing.
    /// @param signer Who signed, as `ConsentRegistry.grantBySig` takes it.
    /// @param signature Over the terms, as `ConsentRegistry.grantBySig` takes it.
    /// @return accessId The last entry's chained hash.
    function requestWithSignature(
        Terms calldata terms,
        bytes32[] calldata recordSalts,
        uint32 purpose,
        bytes32 replyKeyHash,
        bytes32 agent,
        bytes calldata signer,
        bytes calldata signature
    ) external returns (bytes32 accessId);

    /// @notice The last link of an actor's chain.
    /// @param actor Whose chain.
    /// @return head The last entry's access id or, of a break-glass confirmed or reviewed, link; before the first one
    /// `keccak256(abi.encode(chain id, this contract, actor))`.
    function headOf(address actor) external view returns (bytes32 head);

    /// @notice Where grants are looked up.
    /// @return registry The ConsentRegistry that was named at deployment.
    function consents() external view returns (IConsentRegistry registry);
}
