// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IdentityRegistry} from "./IdentityRegistry.sol";
import {IConsentRegistry, Reason, Terms} from "./interfaces/IConsentRegistry.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Who may?
contract ConsentRegistry is IConsentRegistry, IdentityRegistry {
    /// @dev One slot.
    struct Grant {
        uint8 status;
        bool byGuardian; // reserved
        uint16 guardianSeq; // reserved
        uint64 epoch; // of the patient, at delivery
        uint40 grantedAt;
        uint40 endedAt;
    }

    uint8 private constant _IN_FORCE = 1;
    uint8 private constant _REVOKED = 2;

    uint16 private constant _READ = 1;
    uint16 private constant _DEPOSIT = 2;
    uint16 private constant _MEMBERS = 4;

    /// @inheritdoc IConsentRegistry
    IProviderRegistry public immutable providers;

    uint256 private immutable _chainId;
    bytes32 private immutable _grantDomain;
    bytes32 private immutable _controlDomain;

    mapping(bytes32 patient => mapping(bytes32 grantId => Grant)) private _grants;

    /// @param registry Where credentials are looked up.
    constructor(IProviderRegistry registry) {
        providers = registry;
        _chainId = block.chainid;
        _grantDomain = TypedData.domain("Consentry");
        _controlDomain = TypedData.domain("Consentry Control");
    }

    /// @inheritdoc IConsentRegistry
    function grant(bytes32 patient, bytes32 grantId) external {
        uint64 epoch = _accountFor(patient, msg.sender).epoch;
        if (_isNew(patient, grantId, epoch)) _putInForce(patient, grantId, epoch);
    }

    /// @inheritdoc IConsentRegistry
    function grantMany(bytes32 patient, bytes32[] calldata grantIds) external {
        uint64 epoch = _accountFor(patient, msg.sender).epoch;
        for (uint256 i = 0; i < grantIds.length; ++i) {
            if (_isNew(patient, grantIds[i], epoch)) _putInForce(patient, grantIds[i], epoch);
        }
    }

    /// @inheritdoc IConsentRegistry
    function grantBySig(
        bytes32 patient,
        bytes calldata signer,
        bytes32 grantId,
        bytes calldata signature
    ) external {
        uint64 epoch = epochOf(patient);
        if (!_isNew(patient, grantId, epoch)) return;
        _checkSignature(patient, signer, TypedData.digest(domainSeparator(), grantId), signature);
        _putInForce(patient, grantId, epoch);
    }

    /// @inheritdoc IConsentRegistry
    function revoke(bytes32 patient, bytes32 grantId) external {
        _accountFor(patient, msg.sender);
        _end(patient, grantId);
    }

    /// @inheritdoc IConsentRegistry
    function revokeBySig(
        bytes32 patient,
        bytes calldata signer,
        bytes32 grantId,
        bytes calldata signature
    ) external {
        if (_grants[patient][grantId].status == _REVOKED) return;
        bytes32 message = TypedData.revocation(patient, grantId);
        _checkSignature(
            patient, signer, TypedData.digest(controlDomainSeparator(), message), signature
        );
        _end(patient, grantId);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAll(bytes32 patient) external {
        uint64 epoch = _changeEpoch(patient, _accountFor(patient, msg.sender));
        emit AllConsentsRevoked(patient, epoch);
    }

    /// @inheritdoc IConsentRegistry
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
        )
    {
        Grant memory g = _grants[patient][grantId];
        return (g.status, g.byGuardian, g.guardianSeq, g.epoch, g.grantedAt, g.endedAt);
    }

    /// @inheritdoc IConsentRegistry
    function inForce(bytes32 patient, bytes32 grantId, uint64 epoch) external view returns (bool) {
        return _whyNotInForce(patient, grantId, epoch) == Reason.None;
    }

    /// @inheritdoc IConsentRegistry
    function isAllowed(Terms calldata terms, address actor, uint32 purpose, uint16 flag)
        external
        view
        returns (bool)
    {
        return why(terms, actor, purpose, flag) == Reason.None;
    }

    /// @inheritdoc IConsentRegistry
    function grantIdOf(Terms calldata terms) external pure returns (bytes32) {
        return TypedData.grantId(terms);
    }

    /// @inheritdoc IConsentRegistry
    function why(Terms calldata terms, address actor, uint32 purpose, uint16 flag)
        public
        view
        returns (Reason reason)
    {
        reason = _whyNotInTerms(terms, purpose, flag);
        if (reason != Reason.None) return reason;
        reason = _whyNotNow(terms);
        if (reason != Reason.None) return reason;
        reason = _whyNotInForce(terms.patient, TypedData.grantId(terms), terms.epoch);
        if (reason != Reason.None) return reason;
        if (providers.may(actor, terms.grantee, terms.flags & _MEMBERS != 0)) return Reason.None;
        return providers.isLive(actor) ? Reason.NotGrantee : Reason.CredentialNotLive;
    }

    /// @inheritdoc IConsentRegistry
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _chainId ? _grantDomain : TypedData.domain("Consentry");
    }

    /// @inheritdoc IConsentRegistry
    function controlDomainSeparator() public view returns (bytes32) {
        return block.chainid == _chainId ? _controlDomain : TypedData.domain("Consentry Control");
    }

    function _putInForce(bytes32 patient, bytes32 grantId, uint64 epoch) private {
        _grants[patient][grantId] = Grant({
            status: _IN_FORCE,
            byGuardian: false,
            guardianSeq: 0,
            epoch: epoch,
            grantedAt: uint40(block.timestamp),
            endedAt: 0
        });
        emit ConsentGranted(patient, grantId);
    }

    function _end(bytes32 patient, bytes32 grantId) private {
        Grant storage g = _grants[patient][grantId];
        if (g.status == _REVOKED) return;
        g.status = _REVOKED;
        g.endedAt = uint40(block.timestamp);
        emit ConsentRevoked(patient, grantId);
    }

    /// @dev False where the grant is in force already; refuses one that has ended.
    function _isNew(bytes32 patient, bytes32 grantId, uint64 epoch) private view returns (bool) {
        Grant memory g = _grants[patient][grantId];
        if (g.status == 0) return true;
        if (g.status == _REVOKED || g.epoch != epoch) revert GrantEnded(patient, grantId);
        return false;
    }

    function _checkSignature(
        bytes32 patient,
        bytes calldata signer,
        bytes32 digest,
        bytes calldata signature
    ) private view {
        if (signer.length != 20) revert SignerNotSupported(signer);
        // forge-lint: disable-next-line(unsafe-typecast)
        address who = address(bytes20(signer)); // 20 bytes, as checked
        _accountFor(patient, who);
        if (!Signatures.isValid(who, digest, signature)) revert SignatureInvalid(patient, who);
    }

    function _whyNotInForce(bytes32 patient, bytes32 grantId, uint64 epoch)
        private
        view
        returns (Reason)
    {
        Grant memory g = _grants[patient][grantId];
        if (g.status == 0) return Reason.NotGranted;
        if (g.status != _IN_FORCE) return Reason.Revoked;
        return g.epoch == epoch && epochOf(patient) == epoch ? Reason.None : Reason.EpochChanged;
    }

    // Terms last for days; the seconds that a block's proposer can shift do not matter.
    // forge-lint: disable-next-item(block-timestamp)
    function _whyNotNow(Terms calldata terms) private view returns (Reason) {
        if (block.timestamp < terms.notBefore) return Reason.NotYetValid;
        return block.timestamp < terms.expiresAt ? Reason.None : Reason.Expired;
    }

    function _whyNotInTerms(Terms calldata terms, uint32 purpose, uint16 flag)
        private
        pure
        returns (Reason)
    {
        uint16 flags = terms.flags;
        uint32 purposes = terms.purposes;
        if (flags & ~(_READ | _DEPOSIT | _MEMBERS) != 0) return Reason.UnknownFlags;
        if ((flag != _READ && flag != _DEPOSIT) || flags & flag == 0) return Reason.FlagNotGranted;
        if (flags & _DEPOSIT != 0 && purposes != 0) return Reason.PurposesNotZero;
        if (flag == _DEPOSIT) return purpose == 0 ? Reason.None : Reason.PurposesNotZero;
        if (purpose == 0 || purpose & (purpose - 1) != 0) return Reason.PurposeNotOne;
        return purposes & purpose != 0 ? Reason.None : Reason.PurposeNotGranted;
    }
}
