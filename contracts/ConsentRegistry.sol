// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IdentityRegistry} from "./IdentityRegistry.sol";
import {IConsentRegistry, Reason, Terms} from "./interfaces/IConsentRegistry.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Who may?
contract ConsentRegistry is IConsentRegistry, IdentityRegistry {
    /// @dev One word: status (bits 0 to 7), by guardian (8 to 15; reserved), guardian's number (16 to 31;
    /// reserved), the patient's epoch at delivery (32 to 95), granted at (96 to 135), ended at (136 to 175).
    struct Grant {
        uint256 word;
    }

    uint256 private constant _IN_FORCE = 1;
    uint256 private constant _REVOKED = 2;

    uint256 private constant _READ = 1;
    uint256 private constant _DEPOSIT = 2;
    uint256 private constant _MEMBERS = 4;
    uint256 private constant _KNOWN_FLAGS = _READ | _DEPOSIT | _MEMBERS;

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
        uint64 epoch = _epochIn(_accountFor(patient, _sender()));
        Grant storage g = _grants[patient][grantId];
        if (!_isInForce(g, patient, grantId, epoch)) _start(g, patient, grantId, epoch);
    }

    /// @inheritdoc IConsentRegistry
    function grantMany(bytes32 patient, bytes32[] calldata grantIds) external {
        uint64 epoch = _epochIn(_accountFor(patient, _sender()));
        for (uint256 i = 0; i < grantIds.length; ++i) {
            Grant storage g = _grants[patient][grantIds[i]];
            if (!_isInForce(g, patient, grantIds[i], epoch)) {
                _start(g, patient, grantIds[i], epoch);
            }
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
        Grant storage g = _grants[patient][grantId];
        if (_isInForce(g, patient, grantId, epoch)) return;
        _checkSignature(patient, signer, TypedData.digest(domainSeparator(), grantId), signature);
        _start(g, patient, grantId, epoch);
    }

    /// @inheritdoc IConsentRegistry
    function revoke(bytes32 patient, bytes32 grantId) external {
        _accountFor(patient, _sender());
        Grant storage g = _grants[patient][grantId];
        uint256 word = g.word;
        if (uint8(word) != _REVOKED) _end(g, word, patient, grantId);
    }

    /// @inheritdoc IConsentRegistry
    function revokeBySig(
        bytes32 patient,
        bytes calldata signer,
        bytes32 grantId,
        bytes calldata signature
    ) external {
        Grant storage g = _grants[patient][grantId];
        uint256 word = g.word;
        if (uint8(word) == _REVOKED) return;
        bytes32 message = TypedData.revocation(patient, grantId);
        bytes32 digest = TypedData.digest(controlDomainSeparator(), message);
        _checkSignature(patient, signer, digest, signature);
        _end(g, word, patient, grantId);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAll(bytes32 patient) external {
        uint64 epoch = _changeEpoch(patient, _accountFor(patient, _sender()));
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
        uint256 word = _grants[patient][grantId].word;
        status = uint8(word);
        byGuardian = uint8(word >> 8) != 0;
        guardianSeq = uint16(word >> 16);
        epoch = uint64(word >> 32);
        grantedAt = uint40(word >> 96);
        endedAt = uint40(word >> 136);
    }

    /// @inheritdoc IConsentRegistry
    function inForce(bytes32 patient, bytes32 grantId, uint64 epoch) external view returns (bool) {
        uint256 word = _grants[patient][grantId].word;
        return uint8(word) == _IN_FORCE && _isOfEpoch(word, patient, epoch);
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

    // Terms last for days; the seconds that a block's proposer can shift do not matter.
    // forge-lint: disable-next-item(block-timestamp)
    /// @inheritdoc IConsentRegistry
    function why(Terms calldata terms, address actor, uint32 purpose, uint16 flag)
        public
        view
        returns (Reason)
    {
        uint256 flags = terms.flags;
        uint256 purposes = terms.purposes;
        if (flags & ~_KNOWN_FLAGS != 0) return Reason.UnknownFlags;
        if (flag != _READ && flag != _DEPOSIT) return Reason.FlagNotGranted;
        if (flags & flag == 0) return Reason.FlagNotGranted;
        if (flags & _DEPOSIT != 0 && purposes != 0) return Reason.PurposesNotZero;
        if (flag == _READ) {
            unchecked {
                if (purpose == 0 || purpose & (purpose - 1) != 0) return Reason.PurposeNotOne;
            }
            if (purposes & purpose == 0) return Reason.PurposeNotGranted;
        } else if (purpose != 0) {
            return Reason.PurposesNotZero;
        }
        if (block.timestamp < terms.notBefore) return Reason.NotYetValid;
        if (block.timestamp >= terms.expiresAt) return Reason.Expired;

        uint256 word = _grants[terms.patient][TypedData.grantId(terms)].word;
        if (word == 0) return Reason.NotGranted;
        if (uint8(word) != _IN_FORCE) return Reason.Revoked;
        if (!_isOfEpoch(word, terms.patient, terms.epoch)) return Reason.EpochChanged;

        if (providers.may(actor, terms.grantee, flags & _MEMBERS != 0)) return Reason.None;
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

    function _start(Grant storage g, bytes32 patient, bytes32 grantId, uint64 epoch) private {
        g.word = _IN_FORCE | uint256(epoch) << 32 | block.timestamp << 96;
        emit ConsentGranted(patient, grantId);
    }

    function _end(Grant storage g, uint256 word, bytes32 patient, bytes32 grantId) private {
        g.word = word & ~_IN_FORCE | _REVOKED | block.timestamp << 136;
        emit ConsentRevoked(patient, grantId);
    }

    /// @dev Whether a grant is in force in this epoch; refuses one that has ended.
    function _isInForce(Grant storage g, bytes32 patient, bytes32 grantId, uint64 epoch)
        private
        view
        returns (bool)
    {
        uint256 word = g.word;
        if (word == 0) return false;
        if (uint8(word) != _IN_FORCE || uint64(word >> 32) != epoch) {
            revert GrantEnded(patient, grantId);
        }
        return true;
    }

    function _checkSignature(
        bytes32 patient,
        bytes calldata signer,
        bytes32 digest,
        bytes calldata signature
    ) private view {
        bytes32 who = Signatures.identityOf(signer);
        _accountFor(patient, who);
        if (!Signatures.isValid(signer, digest, signature)) {
            revert SignatureInvalid(patient, _nameOf(who));
        }
    }

    /// @dev Whether a grant's epoch at delivery, the one in its terms and the patient's are the same.
    function _isOfEpoch(uint256 word, bytes32 patient, uint64 epoch) private view returns (bool) {
        return uint64(word >> 32) == epoch && epochOf(patient) == epoch;
    }
}
