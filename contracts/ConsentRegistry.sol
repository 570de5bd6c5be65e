// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IdentityRegistry} from "./IdentityRegistry.sol";
import {IConsentRegistry, Reason, Terms} from "./interfaces/IConsentRegistry.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Who may?
contract ConsentRegistry is IConsentRegistry, IdentityRegistry {
    /// @dev One word: status (bits 0 to 7), by the guardian (8 to 15), the number of the guardianship under which it
    /// came into force (16 to 31; zero: none), the patient's epoch at delivery (32 to 95), granted at (96 to 135), ended at (136 to 175).
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

    bytes32 private immutable _grantDomain;

    mapping(bytes32 patient => mapping(bytes32 grantId => Grant)) private _grants;

    /// @param registry Where credentials are looked up.
    constructor(IProviderRegistry registry) {
        providers = registry;
        _grantDomain = TypedData.domain("Consentry");
    }

    /// @inheritdoc IConsentRegistry
    function grant(bytes32 patient, bytes32 grantId) external {
        (uint256 word, uint256 mark) = _accountFor(patient, _sender());
        _put(patient, grantId, word, mark);
    }

    /// @inheritdoc IConsentRegistry
    function grantMany(bytes32 patient, bytes32[] calldata grantIds) external {
        (uint256 word, uint256 mark) = _accountFor(patient, _sender());
        for (uint256 i = 0; i < grantIds.length; ++i) {
            _put(patient, grantIds[i], word, mark);
        }
    }

    /// @inheritdoc IConsentRegistry
    function grantBySig(
        bytes32 patient,
        bytes calldata signer,
        bytes32 grantId,
        bytes calldata signature
    ) external {
        Grant storage g = _grants[patient][grantId];
        if (_isInForce(g, patient, grantId, epochOf(patient))) return;
        (uint256 word, uint256 mark) = _accountFor(patient, Signatures.identityOf(signer));
        _checkSignature(patient, signer, TypedData.digest(domainSeparator(), grantId), signature);
        _start(g, patient, grantId, word, mark);
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
        _accountFor(patient, _signerOf(patient, signer, message, signature));
        _end(g, word, patient, grantId);
    }

    /// @inheritdoc IConsentRegistry
    function renew(bytes32 patient, bytes32 oldId, bytes32 newId) external {
        (uint256 account_, uint256 mark) = _accountFor(patient, _sender());
        Grant storage g = _grants[patient][oldId];
        uint256 word = g.word;
        if (uint8(word) != _REVOKED) _end(g, word, patient, oldId);
        _put(patient, newId, account_, mark);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAll(bytes32 patient) external {
        (uint256 word,) = _accountFor(patient, _sender());
        _changeEpoch(patient, word);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllBySig(bytes32 patient, bytes calldata signer, bytes calldata signature)
        external
    {
        bytes32 message = TypedData.revocationOfAll(patient, epochOf(patient));
        bytes32 who = _signerOf(patient, signer, message, signature);
        (uint256 word,) = _accountFor(patient, who);
        _changeEpoch(patient, word);
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
        bool current = _isOfEpoch(word, _accounts[patient], epoch);
        return uint8(word) == _IN_FORCE && current && !_hasLapsed(patient, word);
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
        (uint256 flags, uint256 purposes, uint256 asked) = (terms.flags, terms.purposes, purpose);
        if (flags & ~_KNOWN_FLAGS != 0) return Reason.UnknownFlags;
        unchecked {
            if (uint256(flag) - 1 > 1 || flags & flag == 0) return Reason.FlagNotGranted;
            if (flags & _DEPOSIT != 0 && purposes != 0) return Reason.PurposesNotZero;
            if (flag == _READ) {
                if (asked == 0 || asked & (asked - 1) != 0) return Reason.PurposeNotOne;
                if (purposes & asked == 0) return Reason.PurposeNotGranted;
            } else if (asked != 0) {
                return Reason.PurposesNotZero;
            }
        }
        if (block.timestamp < terms.notBefore) return Reason.NotYetValid;
        if (block.timestamp >= terms.expiresAt) return Reason.Expired;

        uint256 word = _grants[terms.patient][TypedData.grantId(terms)].word;
        if (uint8(word) != _IN_FORCE) return word == 0 ? Reason.NotGranted : Reason.Revoked;
        uint256 held = _accounts[terms.patient];
        if (!_isOfEpoch(word, held, terms.epoch)) return Reason.EpochChanged;
        if (uint16(word >> 16) != 0 && _hasLapsed(terms.patient, word)) {
            return Reason.GuardianshipEnded;
        }
        if (held >> 224 & _SECONDARY & asked != 0) return Reason.OptedOut;

        if (providers.may(actor, terms.grantee, flags & _MEMBERS != 0)) return Reason.None;
        return providers.isLive(actor) ? Reason.NotGrantee : Reason.CredentialNotLive;
    }

    /// @inheritdoc IConsentRegistry
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _CHAIN_ID ? _grantDomain : TypedData.domain("Consentry");
    }

    /// @dev Puts a grant in force that is not; refuses one that has ended.
    function _put(bytes32 patient, bytes32 grantId, uint256 word, uint256 mark) private {
        Grant storage g = _grants[patient][grantId];
        if (_isInForce(g, patient, grantId, _epochIn(word))) return;
        _start(g, patient, grantId, word, mark);
    }

    function _start(Grant storage g, bytes32 patient, bytes32 grantId, uint256 word, uint256 mark)
        private
    {
        g.word = _IN_FORCE | mark | uint256(_epochIn(word)) << 32 | block.timestamp << 96;
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
        // Status and epoch are compared, which are no times.
        // slither-disable-next-line incorrect-equality
        bool current = uint8(word) == _IN_FORCE && uint64(word >> 32) == epoch;
        if (!current || _hasLapsed(patient, word)) {
            revert GrantEnded(patient, grantId);
        }
        return true;
    }

    /// @dev Whether a grant's epoch at delivery, the one in its terms and the patient's are the same.
    function _isOfEpoch(uint256 word, uint256 held, uint64 epoch) private pure returns (bool) {
        // Epochs are compared, which are no times.
        // slither-disable-next-line incorrect-equality
        return uint64((word >> 32 ^ epoch) | (held >> 160 ^ epoch)) == 0;
    }
}
