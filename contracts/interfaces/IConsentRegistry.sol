// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "./IIdentityRegistry.sol";
import {IProviderRegistry} from "./IProviderRegistry.sol";

/// @notice What a grant says. Its EIP-712 struct hash, with the reading in place of its hash, is the grant's id:
/// `Terms(bytes32 patient,bytes32 grantee,bytes32 segment,bytes32 record,uint32 purposes,uint16 flags,`
/// `uint40 notBefore,uint40 expiresAt,uint64 epoch,Reading reading)`
/// `Reading(string sentence,bytes32 policy,bytes32 salt)`
struct Terms {
    bytes32 patient; // the identity that grants
    bytes32 grantee; // a provider's address, left-padded
    bytes32 segment; // opaque; the patient's records of one kind
    bytes32 record; // one record's id; zero: every record of the segment
    uint32 purposes; // bits of purposes.csv; none where DEPOSIT is granted
    uint16 flags; // 1 READ, 2 DEPOSIT, 4 MEMBERS
    uint40 notBefore; // first second of use
    uint40 expiresAt; // first second after use
    uint64 epoch; // the patient's epoch when signed
    bytes32 readingHash; // struct hash of the Reading that was shown and signed
}

/// @notice Why terms do not allow an act: the first check that failed. The order of checks is that of the numbers, but
/// for two: GuardianshipEnded and then OptedOut come after EpochChanged, before CredentialNotLive.
enum Reason {
    None, // nothing failed: allowed
    UnknownFlags, // the terms carry flags that do not exist
    FlagNotGranted, // the act asked for is not READ or DEPOSIT, or not in the terms
    PurposesNotZero, // a DEPOSIT has no purposes
    PurposeNotOne, // a READ has exactly one purpose
    PurposeNotGranted, // the purpose is not in the terms
    NotYetValid, // before notBefore
    Expired, // at expiresAt or after
    NotGranted, // the patient never put these terms in force
    Revoked, // the patient revoked them
    EpochChanged, // delivered, signed and current epoch are not all equal
    CredentialNotLive, // the actor has no credential that is live now
    NotGrantee, // the actor is not the grantee, nor a member that may act for it
    OptedOut, // the patient opted out of this secondary use, whatever the terms say
    GuardianshipEnded // granted under a guardianship that is over
}

/// @title Who may?
/// @notice Only the patient's controller puts a grant in force, by a transaction or by a signature that anybody may
/// deliver, and can always revoke it. Nobody owns this contract, and nothing can pause it. An id comes into force
/// once and ends once: none to in force, none to revoked, in force to revoked.
interface IConsentRegistry is IIdentityRegistry {
    /// @notice Emitted when a grant came into force.
    /// @param patient Who granted.
    /// @param grantId The struct hash of the terms.
    event ConsentGranted(bytes32 indexed patient, bytes32 indexed grantId);

    /// @notice Emitted when a grant was revoked, or an id was revoked before it was ever granted.
    /// @param patient Who revoked.
    /// @param grantId The struct hash of the terms.
    event ConsentRevoked(bytes32 indexed patient, bytes32 indexed grantId);

    /// @notice Thrown when an id is granted that was revoked, or that came into force in an earlier
    /// epoch or guardianship.
    /// @param patient Who grants.
    /// @param grantId The id that ended.
    error GrantEnded(bytes32 patient, bytes32 grantId);

    /// @notice Puts a grant in force. Already in force: nothing happens, so that a signature delivered a moment
    /// earlier is no obstacle.
    /// @param patient The identity; the caller must be its controller.
    /// @param grantId The struct hash of the terms.
    function grant(bytes32 patient, bytes32 grantId) external;

    /// @notice Puts several grants in force; all of them or, where one has ended, none.
    /// @param patient The identity; the caller must be its controller.
    /// @param grantIds The struct hashes of the terms.
    function grantMany(bytes32 patient, bytes32[] calldata grantIds) external;

    /// @notice Delivers a grant that the patient's controller signed; anybody may. Already in force: nothing
    /// happens, and the signature is not looked at.
    /// @param patient The identity.
    /// @param signer Who signed, the controller: the 20 bytes of an address, or an ERC-7913 signer (the address of a
    /// verifier and behind it a key).
    /// @param grantId The struct hash of the terms.
    /// @param signature Over the typed data of the terms in the domain "Consentry": 65 bytes, 64 bytes (EIP-2098),
    /// or what the controller, being a contract (ERC-1271), or the verifier (ERC-7913) accepts.
    function grantBySig(
        bytes32 patient,
        bytes calldata signer,
        bytes32 grantId,
        bytes calldata signature
    ) external;

    /// @notice Revokes a grant, for ever. An id that was never seen can then never come into force; one that is
    /// revoked stays so, and nothing happens.
    /// @param patient The identity; the caller must be its controller.
    /// @param grantId The struct hash of the terms.
    function revoke(bytes32 patient, bytes32 grantId) external;

    /// @notice Delivers a revocation that the patient's controller signed; anybody may. Already revoked: nothing
    /// happens, and the signature is not looked at.
    /// @param patient The identity.
    /// @param signer Who signed, the controller; as in `grantBySig`.
    /// @param grantId The struct hash of the terms.
    /// @param signature Over `Revoke(bytes32 patient,bytes32 grantId)` in the domain "Consentry Control".
    function revokeBySig(
        bytes32 patient,
        bytes calldata signer,
        bytes32 grantId,
        bytes calldata signature
    ) external;

    /// @notice Puts a grant in the place of another, without a moment in between: revokes one and grants the other, as
    /// `revoke` and `grant` do.
    /// @param patient The identity; the caller must be its controller.
    /// @param oldId The id to revoke.
    /// @param newId The id to put in force; not the same.
    function renew(bytes32 patient, bytes32 oldId, bytes32 newId) external;

    /// @notice Ends all grants of a patient, the signed and undelivered ones too, by changing the epoch.
    /// @param patient The identity; the caller must be its controller.
    function revokeAll(bytes32 patient) external;

    /// @notice Delivers a revocation of all grants that the patient's controller signed; anybody may. It ends one
    /// epoch: delivered again, it is nobody's signature.
    /// @param patient The identity.
    /// @param signer Who signed, the controller; as in `grantBySig`.
    /// @param signature Over `RevokeAll(bytes32 patient,uint64 epoch)` in the domain "Consentry Control", with the
    /// patient's epoch of now.
    function revokeAllBySig(bytes32 patient, bytes calldata signer, bytes calldata signature)
        external;

    /// @notice What is stored of a grant; all zero for an id never seen.
    /// @param patient Who granted.
    /// @param grantId The struct hash of the terms.
    /// @return status 0 none, 1 in force, 2 revoked. A grant that ended with its epoch keeps its 1.
    /// @return byGuardian True where the guardian in office put it in force.
    /// @return guardianSeq The number of the guardianship under which it came into force and with which it ends; zero:
    /// none.
    /// @return epoch The patient's epoch when it came into force.
    /// @return grantedAt When it came into force, in Unix seconds; zero: never.
    /// @return endedAt When it was revoked, in Unix seconds; zero: never.
    function grantState(bytes32 patient, bytes32 grantId)
        external
        view
        returns (
            uint8 status,
            bool byGuardian,
            uint16 guardianSeq,
            uint64 epoch,
            uint40 grantedAt,
            uint40 endedAt
        );

    /// @notice Whether a grant is in force in this epoch. Necessary for an act, never sufficient: ask `isAllowed`.
    /// @param patient Who granted.
    /// @param grantId The struct hash of the terms.
    /// @param epoch The epoch in the terms.
    /// @return yes True where it is in force, came into force in this epoch, this epoch is the patient's, and the
    /// guardianship under which it came into force, if any, is not over.
    function inForce(bytes32 patient, bytes32 grantId, uint64 epoch)
        external
        view
        returns (bool yes);

    /// @notice The id under which terms are granted and revoked.
    /// @param terms The terms.
    /// @return grantId Their EIP-712 struct hash.
    function grantIdOf(Terms calldata terms) external pure returns (bytes32 grantId);

    /// @notice Whether the terms allow an act now.
    /// @param terms The terms.
    /// @param actor Who acts.
    /// @param purpose The one purpose bit of a READ; zero for a DEPOSIT.
    /// @param flag What is to be done: 1 READ or 2 DEPOSIT.
    /// @return yes True where `why` finds no reason against it.
    function isAllowed(Terms calldata terms, address actor, uint32 purpose, uint16 flag)
        external
        view
        returns (bool yes);

    /// @notice Why the terms do not allow an act now.
    /// @param terms The terms.
    /// @param actor Who acts.
    /// @param purpose The one purpose bit of a READ; zero for a DEPOSIT.
    /// @param flag What is to be done: 1 READ or 2 DEPOSIT.
    /// @return reason The first check that failed; `None` where the act is allowed.
    function why(Terms calldata terms, address actor, uint32 purpose, uint16 flag)
        external
        view
        returns (Reason reason);

    /// @notice The EIP-712 domain of grants: "Consentry", "1", this chain, this contract.
    /// @return separator Its hash, for the chain id of now.
    function domainSeparator() external view returns (bytes32 separator);

    /// @notice Where credentials are looked up.
    /// @return registry The ProviderRegistry that was named at deployment.
    function providers() external view returns (IProviderRegistry registry);
}
