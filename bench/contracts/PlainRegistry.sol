// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A consent registry as a tutorial writes it
/// @notice A peer for the gas bench, and nothing else: structs and strings, all of it public. Never deployed, never
/// shipped. It is written with care: packed words, custom errors, no arrays to search.
contract PlainRegistry {
    struct Consent {
        address patientAccount;
        uint64 expiresAt;
        bool active;
        string patient;
        string provider;
        string purpose;
        string recordCid;
    }

    struct Access {
        address by;
        uint64 at;
        uint256 consentId;
        string provider;
        string purpose;
    }

    mapping(uint256 consentId => Consent) public consents;
    mapping(uint256 accessId => Access) public accesses;
    uint256 public consentCount;
    uint256 public accessCount;

    event ConsentGranted(uint256 indexed consentId, address indexed patientAccount, string provider);
    event ConsentRevoked(uint256 indexed consentId, address indexed patientAccount);
    event AccessLogged(uint256 indexed accessId, uint256 indexed consentId, address indexed by);

    error NotPatient(address who);
    error NotActive(uint256 consentId);

    function grantConsent(
        string calldata patient,
        string calldata provider,
        string calldata purpose,
        string calldata recordCid,
        uint64 expiresAt
    ) external returns (uint256 consentId) {
        consentId = ++consentCount;
        consents[consentId] =
            Consent(msg.sender, expiresAt, true, patient, provider, purpose, recordCid);
        emit ConsentGranted(consentId, msg.sender, provider);
    }

    function revokeConsent(uint256 consentId) external {
        if (consents[consentId].patientAccount != msg.sender) revert NotPatient(msg.sender);
        consents[consentId].active = false;
        emit ConsentRevoked(consentId, msg.sender);
    }

    function logAccess(uint256 consentId, string calldata provider, string calldata purpose)
        external
        returns (uint256 accessId)
    {
        Consent storage consent = consents[consentId];
        if (!consent.active || block.timestamp >= consent.expiresAt) revert NotActive(consentId);
        accessId = ++accessCount;
        accesses[accessId] =
            Access(msg.sender, uint64(block.timestamp), consentId, provider, purpose);
        emit AccessLogged(accessId, consentId, msg.sender);
    }
}
