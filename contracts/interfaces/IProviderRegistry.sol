// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuthorities} from "./IAuthorities.sol";

/// @title Who may practise?
/// @notice Authorities issue credentials to practitioners and organisations, and any of them may suspend, reinstate
/// or retire one. A credential is checked at every use, so that a suspension stops use at once. An organisation is
/// told from others by its own account, so that no two can share one mark and nobody joins another one's members.
interface IProviderRegistry is IAuthorities {
    /// @notice What an authority issues.
    struct Credential {
        address provider; // who practises
        uint40 validFrom; // first second
        uint40 validUntil; // first second after
        uint16 roles; // 1 TREATING, 2 EMERGENCY, 4 RESEARCH, 8 PUBLIC_HEALTH, 16 REVIEWER, 0x8000 ORGANISATION
        address organisation; // whose member the practitioner is; zero: nobody's
        bytes32 cardHash; // keccak256 of the card
    }

    /// @notice Where a credential stands, its dates aside.
    enum Status {
        None,
        Active,
        Suspended,
        Retired
    }

    /// @notice Emitted when a credential was issued, or renewed with new content.
    /// @param provider Who practises.
    /// @param authority Who issued it.
    /// @param cardHash keccak256 of the card.
    /// @param validFrom First second, in Unix seconds.
    /// @param validUntil First second after, in Unix seconds.
    /// @param roles The role bits.
    /// @param organisation Whose member the practitioner is; zero: nobody's.
    event CredentialIssued(
        address indexed provider,
        address indexed authority,
        bytes32 cardHash,
        uint40 validFrom,
        uint40 validUntil,
        uint16 roles,
        address organisation
    );

    /// @notice Emitted when a credential stopped counting until it is reinstated.
    /// @param provider Whose credential.
    /// @param authority Who suspended it.
    event CredentialSuspended(address indexed provider, address indexed authority);

    /// @notice Emitted when a suspended credential counts again.
    /// @param provider Whose credential.
    /// @param authority Who reinstated it.
    event CredentialReinstated(address indexed provider, address indexed authority);

    /// @notice Emitted when a credential ended for good.
    /// @param provider Whose credential.
    /// @param authority Who retired it.
    event CredentialRetired(address indexed provider, address indexed authority);

    /// @notice Emitted when one authority wants an emergency credential issued; nothing changes yet.
    /// @param provider For whom.
    /// @param proposer Which authority does.
    /// @param credential The whole of it, as a second authority has to repeat it.
    event EmergencyProposed(
        address indexed provider, address indexed proposer, Credential credential
    );

    /// @notice Emitted after `CredentialIssued`, when a second authority agreed to an emergency credential.
    /// @param provider For whom.
    /// @param proposer Who proposed it.
    /// @param seconder Who agreed, and so issued it.
    /// @param from First second in which the emergency role counts, in Unix seconds; the other roles count at once.
    event EmergencyIssued(
        address indexed provider, address indexed proposer, address indexed seconder, uint40 from
    );

    /// @notice Thrown when a credential names nobody as the provider.
    error ProviderZero();

    /// @notice Thrown when a credential is valid at no second.
    /// @param provider For whom.
    /// @param validFrom First second.
    /// @param validUntil First second after.
    error ValidityEmpty(address provider, uint40 validFrom, uint40 validUntil);

    /// @notice Thrown when a credential names roles that do not exist.
    /// @param provider For whom.
    /// @param roles The role bits given.
    error RolesUnknown(address provider, uint16 roles);

    /// @notice Thrown when one authority alone issues the EMERGENCY role.
    /// @param provider For whom.
    error EmergencyNeedsSecondAuthority(address provider);

    /// @notice Thrown when an emergency credential lacks the EMERGENCY role.
    /// @param provider For whom.
    error EmergencyMissing(address provider);

    /// @notice Thrown when an organisation should have the EMERGENCY role: two people stand behind a break-glass.
    /// @param provider Which organisation.
    error EmergencyIsPersonal(address provider);

    /// @notice Thrown when a credential carries no card hash.
    /// @param provider For whom.
    error CardHashEmpty(address provider);

    /// @notice Thrown when a credential names an organisation that has no credential as one.
    /// @param provider For whom.
    /// @param organisation Which one.
    error OrganisationUnknown(address provider, address organisation);

    /// @notice Thrown when an organisation should be another one's member.
    /// @param provider The organisation.
    error OrganisationNested(address provider);

    /// @notice Thrown when a credential's status does not admit the step: only an active one, or none, can be
    /// issued anew, only an active one suspended, only a suspended one reinstated, and a retired one stays so.
    /// @param provider Whose credential.
    /// @param status Where it stands.
    error StatusForbids(address provider, Status status);

    /// @notice Issues a credential, or renews an active one with new content. A suspended one has to be reinstated
    /// first; a retired one stays retired.
    /// @param credential The credential; the caller must be an authority.
    function issue(Credential calldata credential) external;

    /// @notice Issues several credentials, in this order: organisations first, then their members.
    /// @param credentials The credentials; the caller must be an authority.
    function issueBatch(Credential[] calldata credentials) external;

    /// @notice Issues a credential with the EMERGENCY role. One authority proposes; within seven days another one calls
    /// with the same content and so issues it; a day later the role counts, the others at once. A provider whose
    /// emergency role counts now keeps it through such a renewal; a renewal by `issue` ends it.
    /// @param credential The credential; the caller must be an authority.
    function issueEmergency(Credential calldata credential) external;

    /// @notice Stops an active credential at once.
    /// @param provider Whose credential; the caller must be an authority.
    function suspend(address provider) external;

    /// @notice Lets a suspended credential count again.
    /// @param provider Whose credential; the caller must be an authority.
    function reinstate(address provider) external;

    /// @notice Ends a credential for good.
    /// @param provider Whose credential; the caller must be an authority.
    function retire(address provider) external;

    /// @notice What is stored of a credential; all zero where there is none.
    /// @param provider Whose credential.
    /// @return validFrom First second, in Unix seconds.
    /// @return validUntil First second after, in Unix seconds.
    /// @return roles The role bits.
    /// @return status Where it stands, its dates aside.
    /// @return organisation Whose member the practitioner is; zero: nobody's.
    function credentialOf(address provider)
        external
        view
        returns (
            uint40 validFrom,
            uint40 validUntil,
            uint16 roles,
            Status status,
            address organisation
        );

    /// @notice Whether a credential counts now: active, and within its dates.
    /// @param provider Whose credential.
    /// @return yes True where it counts.
    function isLive(address provider) external view returns (bool yes);

    /// @notice When a provider's EMERGENCY role begins to count.
    /// @param provider Whose credential.
    /// @return from First second, in Unix seconds; zero where it has no such role.
    function emergencyFrom(address provider) external view returns (uint40 from);

    /// @notice Whether a provider acts in a role now: its credential is live and has it, its organisation, if any, is
    /// live, and an EMERGENCY role has begun to count. Roles narrow no grant; break-glass and its review ask.
    /// @param provider Who acts.
    /// @param role One role bit.
    /// @return yes True where it does.
    /// @return organisation Whose member the provider is; itself, where it is an organisation or nobody's member.
    function holds(address provider, uint16 role)
        external
        view
        returns (bool yes, address organisation);

    /// @notice Whether an actor may use what was granted to a grantee.
    /// @param actor Who acts; the credential must be live.
    /// @param grantee Whom the grant names: an address, left-padded.
    /// @param members Whether members of the grantee, a live organisation, may act for it.
    /// @return yes True where the actor is the grantee or such a member.
    function may(address actor, bytes32 grantee, bool members) external view returns (bool yes);
}
