// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";

/// @title Who may practise?
contract ProviderRegistry is IProviderRegistry {
    /// @dev One slot.
    struct Held {
        address organisation; // whose member; 0: nobody's
        uint40 validFrom;
        uint40 validUntil; // 0: no credential
        uint16 standing; // role bits, and _SUSPENDED or _RETIRED
    }

    uint16 private constant _EMERGENCY = 2;
    uint16 private constant _ORGANISATION = 0x8000;
    uint16 private constant _ROLES = 0x801f;
    uint16 private constant _SUSPENDED = 0x2000;
    uint16 private constant _RETIRED = 0x4000;

    /// @dev The authorities stand in the code: no slot that could change, none to read.
    address private immutable _authority0;
    address private immutable _authority1;
    address private immutable _authority2;
    address private immutable _authority3;

    mapping(address provider => Held) private _held;

    /// @param list One to four different accounts; each may be a contract, such as a Safe.
    constructor(address[] memory list) {
        if (list.length == 0 || list.length > 4) revert AuthoritiesCount(list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == address(0)) revert AuthorityInvalid(list[i]);
            for (uint256 j = 0; j < i; ++j) {
                if (list[j] == list[i]) revert AuthorityInvalid(list[i]);
            }
        }
        _authority0 = list[0];
        _authority1 = list.length > 1 ? list[1] : address(0);
        _authority2 = list.length > 2 ? list[2] : address(0);
        _authority3 = list.length > 3 ? list[3] : address(0);
    }

    modifier onlyAuthority() {
        if (!isAuthority(msg.sender)) revert NotAuthority(msg.sender);
        _;
    }

    /// @inheritdoc IProviderRegistry
    function issue(Credential calldata credential) external onlyAuthority {
        _issue(credential);
    }

    /// @inheritdoc IProviderRegistry
    function issueBatch(Credential[] calldata credentials) external onlyAuthority {
        for (uint256 i = 0; i < credentials.length; ++i) {
            _issue(credentials[i]);
        }
    }

    /// @inheritdoc IProviderRegistry
    function suspend(address provider) external onlyAuthority {
        Held storage held = _held[provider];
        _require(provider, held, Status.Active);
        held.standing |= _SUSPENDED;
        emit CredentialSuspended(provider, msg.sender);
    }

    /// @inheritdoc IProviderRegistry
    function reinstate(address provider) external onlyAuthority {
        Held storage held = _held[provider];
        _require(provider, held, Status.Suspended);
        held.standing &= ~_SUSPENDED;
        emit CredentialReinstated(provider, msg.sender);
    }

    /// @inheritdoc IProviderRegistry
    function retire(address provider) external onlyAuthority {
        Held storage held = _held[provider];
        Status status = _status(held);
        if (status == Status.None || status == Status.Retired) {
            revert StatusForbids(provider, status);
        }
        held.standing |= _RETIRED;
        emit CredentialRetired(provider, msg.sender);
    }

    /// @inheritdoc IProviderRegistry
    function authorities() external view returns (address[] memory list) {
        address[4] memory all = [_authority0, _authority1, _authority2, _authority3];
        uint256 count = 1;
        while (count < 4 && all[count] != address(0)) ++count;
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = all[i];
        }
    }

    /// @inheritdoc IProviderRegistry
    function credentialOf(address provider)
        external
        view
        returns (
            uint40 validFrom,
            uint40 validUntil,
            uint16 roles,
            Status status,
            address organisation
        )
    {
        Held memory held = _held[provider];
        return
            (
                held.validFrom,
                held.validUntil,
                held.standing & _ROLES,
                _status(held),
                held.organisation
            );
    }

    /// @inheritdoc IProviderRegistry
    function isLive(address provider) external view returns (bool) {
        return _isLive(_held[provider]);
    }

    /// @inheritdoc IProviderRegistry
    function may(address actor, bytes32 grantee, bool members) external view returns (bool) {
        Held memory held = _held[actor];
        if (!_isLive(held)) return false;
        if (grantee == bytes32(uint256(uint160(actor)))) return true;
        if (!members || held.organisation == address(0)) return false;
        if (grantee != bytes32(uint256(uint160(held.organisation)))) return false;
        Held memory organisation = _held[held.organisation];
        return organisation.standing & _ORGANISATION != 0 && _isLive(organisation);
    }

    /// @inheritdoc IProviderRegistry
    function isAuthority(address who) public view returns (bool) {
        if (who == address(0)) return false;
        return who == _authority0 || who == _authority1 || who == _authority2 || who == _authority3;
    }

    function _issue(Credential calldata credential) private {
        address provider = credential.provider;
        _check(credential);
        Status status = _status(_held[provider]);
        if (status > Status.Active) revert StatusForbids(provider, status);
        _held[provider] = Held({
            organisation: credential.organisation,
            validFrom: credential.validFrom,
            validUntil: credential.validUntil,
            standing: credential.roles
        });
        emit CredentialIssued(
            provider,
            msg.sender,
            credential.cardHash,
            credential.validFrom,
            credential.validUntil,
            credential.roles,
            credential.organisation
        );
    }

    function _check(Credential calldata credential) private view {
        address provider = credential.provider;
        uint16 roles = credential.roles;
        if (provider == address(0)) revert ProviderZero();
        if (credential.validFrom >= credential.validUntil) {
            revert ValidityEmpty(provider, credential.validFrom, credential.validUntil);
        }
        if (roles & ~_ROLES != 0) revert RolesUnknown(provider, roles);
        if (roles & _EMERGENCY != 0) revert EmergencyNeedsSecondAuthority(provider);
        if (credential.cardHash == 0) revert CardHashEmpty(provider);
        address organisation = credential.organisation;
        if (organisation == address(0)) return;
        if (roles & _ORGANISATION != 0) revert OrganisationNested(provider);
        if (_held[organisation].standing & _ORGANISATION == 0) {
            revert OrganisationUnknown(provider, organisation);
        }
    }

    function _require(address provider, Held memory held, Status wanted) private pure {
        Status status = _status(held);
        if (status != wanted) revert StatusForbids(provider, status);
    }

    // Credentials last for months; the seconds that a block's proposer can shift do not matter.
    // forge-lint: disable-next-item(block-timestamp)
    function _isLive(Held memory held) private view returns (bool) {
        return held.standing & (_SUSPENDED | _RETIRED) == 0 && held.validFrom <= block.timestamp
            && block.timestamp < held.validUntil;
    }

    function _status(Held memory held) private pure returns (Status) {
        if (held.validUntil == 0) return Status.None;
        if (held.standing & _RETIRED != 0) return Status.Retired;
        return held.standing & _SUSPENDED != 0 ? Status.Suspended : Status.Active;
    }
}
