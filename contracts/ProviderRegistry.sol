// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Authorities} from "./Authorities.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";

/// @title Who may practise?
contract ProviderRegistry is IProviderRegistry, Authorities {
    uint256 private constant _EMERGENCY_DELAY = 1 days;
    uint16 private constant _EMERGENCY = 2;
    uint16 private constant _ORGANISATION = 0x8000;
    uint16 private constant _ROLES = 0x801f;
    /// @dev Bits of a credential's word, where no role stands.
    uint256 private constant _SUSPENDED = 0x2000 << 240;
    uint256 private constant _RETIRED = 0x4000 << 240;

    /// @dev One word: organisation (bits 0 to 159), valid from (160 to 199), valid until (200 to 239; zero: no
    /// credential), roles (240 to 255), among which two bits say suspended and retired.
    mapping(address provider => uint256) private _credentials;

    /// @dev First second in which an emergency role counts; for the credential whose word has its bit.
    mapping(address provider => uint256) private _emergencies;

    /// @param list One to four different authorities; each may be a contract, such as a Safe.
    constructor(address[] memory list) Authorities(list) {}

    /// @inheritdoc IProviderRegistry
    function issue(Credential calldata credential) external onlyAuthority {
        _issue(credential, false);
    }

    /// @inheritdoc IProviderRegistry
    function issueBatch(Credential[] calldata credentials) external onlyAuthority {
        for (uint256 i = 0; i < credentials.length; ++i) {
            _issue(credentials[i], false);
        }
    }

    /// @inheritdoc IProviderRegistry
    function issueEmergency(Credential calldata credential) external onlyAuthority {
        address provider = credential.provider;
        if (credential.roles & _EMERGENCY == 0) revert EmergencyMissing(provider);
        if (credential.roles & _ORGANISATION != 0) revert EmergencyIsPersonal(provider);
        address proposer = _agree(keccak256(abi.encode(this.issueEmergency.selector, credential)));
        if (proposer == address(0)) {
            emit EmergencyProposed(provider, msg.sender, credential);
            return;
        }
        if (!_isInEmergencies(provider)) {
            _emergencies[provider] = block.timestamp + _EMERGENCY_DELAY;
        }
        _issue(credential, true);
        emit EmergencyIssued(provider, proposer, msg.sender, uint40(_emergencies[provider]));
    }

    /// @inheritdoc IProviderRegistry
    function suspend(address provider) external onlyAuthority {
        uint256 word = _credentials[provider];
        if (_status(word) != Status.Active) revert StatusForbids(provider, _status(word));
        _credentials[provider] = word | _SUSPENDED;
        emit CredentialSuspended(provider, msg.sender);
    }

    /// @inheritdoc IProviderRegistry
    function reinstate(address provider) external onlyAuthority {
        uint256 word = _credentials[provider];
        if (_status(word) != Status.Suspended) revert StatusForbids(provider, _status(word));
        _credentials[provider] = word & ~_SUSPENDED;
        emit CredentialReinstated(provider, msg.sender);
    }

    /// @inheritdoc IProviderRegistry
    function retire(address provider) external onlyAuthority {
        uint256 word = _credentials[provider];
        Status status = _status(word);
        if (status == Status.None || status == Status.Retired) {
            revert StatusForbids(provider, status);
        }
        _credentials[provider] = word | _RETIRED;
        emit CredentialRetired(provider, msg.sender);
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
        uint256 word = _credentials[provider];
        validFrom = uint40(word >> 160);
        validUntil = uint40(word >> 200);
        roles = uint16(word >> 240) & _ROLES;
        status = _status(word);
        organisation = address(uint160(word));
    }

    /// @inheritdoc IProviderRegistry
    function isLive(address provider) external view returns (bool) {
        return _isLive(_credentials[provider]);
    }

    /// @inheritdoc IProviderRegistry
    function emergencyFrom(address provider) external view returns (uint40) {
        if (_credentials[provider] >> 240 & _EMERGENCY == 0) return 0;
        return uint40(_emergencies[provider]);
    }

    /// @inheritdoc IProviderRegistry
    function holds(address provider, uint16 role)
        external
        view
        returns (bool yes, address organisation)
    {
        uint256 word = _credentials[provider];
        organisation = address(uint160(word));
        yes = role & _ROLES != 0 && word >> 240 & role == role && _isLive(word);
        if (organisation == address(0)) organisation = provider;
        else yes = yes && may(provider, bytes32(uint256(uint160(organisation))), true);
        if (role & _EMERGENCY != 0) yes = yes && _isInEmergencies(provider);
    }

    /// @inheritdoc IProviderRegistry
    function may(address actor, bytes32 grantee, bool members) public view returns (bool) {
        uint256 word = _credentials[actor];
        if (!_isLive(word)) return false;
        if (uint256(grantee) == uint160(actor)) return true;
        if (!members || uint256(grantee) != uint160(word)) return false;
        uint256 organisation = _credentials[address(uint160(word))];
        return _isOrganisation(organisation) && _isLive(organisation);
    }

    /// @dev Checks and stores; `agreed` says whether two authorities stand behind it.
    function _issue(Credential calldata credential, bool agreed) private {
        address provider = credential.provider;
        address organisation = credential.organisation;
        uint40 validFrom = credential.validFrom;
        uint40 validUntil = credential.validUntil;
        uint16 roles = credential.roles;
        bytes32 cardHash = credential.cardHash;
        if (provider == address(0)) revert ProviderZero();
        if (validFrom >= validUntil) revert ValidityEmpty(provider, validFrom, validUntil);
        if (cardHash == 0) revert CardHashEmpty(provider);
        if (roles & ~_ROLES != 0) revert RolesUnknown(provider, roles);
        if (!agreed && roles & _EMERGENCY != 0) revert EmergencyNeedsSecondAuthority(provider);
        if (organisation != address(0)) _checkMember(provider, roles, organisation);
        Status status = _status(_credentials[provider]);
        if (status > Status.Active) revert StatusForbids(provider, status);

        _credentials[provider] = uint160(organisation) | uint256(validFrom) << 160
            | uint256(validUntil) << 200 | uint256(roles) << 240;
        emit CredentialIssued(
            provider, msg.sender, cardHash, validFrom, validUntil, roles, organisation
        );
    }

    function _checkMember(address provider, uint16 roles, address organisation) private view {
        if (roles & _ORGANISATION != 0) revert OrganisationNested(provider);
        if (!_isOrganisation(_credentials[organisation])) {
            revert OrganisationUnknown(provider, organisation);
        }
    }

    /// @dev Whether a provider's emergency role counts now.
    function _isInEmergencies(address provider) private view returns (bool) {
        uint256 word = _credentials[provider];
        return
            word >> 240 & _EMERGENCY != 0 && _isLive(word)
                && _emergencies[provider] <= block.timestamp;
    }

    // Credentials last for months; the seconds that a block's proposer can shift do not matter.
    // forge-lint: disable-next-item(block-timestamp)
    function _isLive(uint256 word) private view returns (bool) {
        return word & (_SUSPENDED | _RETIRED) == 0 && uint40(word >> 160) <= block.timestamp
            && block.timestamp < uint40(word >> 200);
    }

    function _isOrganisation(uint256 word) private pure returns (bool) {
        return word >> 240 & _ORGANISATION != 0;
    }

    function _status(uint256 word) private pure returns (Status) {
        if (word == 0) return Status.None;
        if (word & _RETIRED != 0) return Status.Retired;
        return word & _SUSPENDED != 0 ? Status.Suspended : Status.Active;
    }
}
