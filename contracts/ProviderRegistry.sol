// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";

/// @title Who may practise?
contract ProviderRegistry is IProviderRegistry {
    uint16 private constant _EMERGENCY = 2;
    uint16 private constant _ORGANISATION = 0x8000;
    uint16 private constant _ROLES = 0x801f;
    /// @dev Bits of a credential's word, where no role stands.
    uint256 private constant _SUSPENDED = 0x2000 << 240;
    uint256 private constant _RETIRED = 0x4000 << 240;

    /// @dev The authorities stand in the code: no slot that could change, none to read.
    address private immutable _authority0;
    address private immutable _authority1;
    address private immutable _authority2;
    address private immutable _authority3;

    /// @dev One word: organisation (bits 0 to 159), valid from (160 to 199), valid until (200 to 239; zero: no
    /// credential), roles (240 to 255), among which two bits say suspended and retired.
    mapping(address provider => uint256) private _credentials;

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
    function may(address actor, bytes32 grantee, bool members) external view returns (bool) {
        uint256 word = _credentials[actor];
        if (!_isLive(word)) return false;
        if (uint256(grantee) == uint160(actor)) return true;
        if (!members || uint256(grantee) != uint160(word)) return false;
        uint256 organisation = _credentials[address(uint160(word))];
        return _isOrganisation(organisation) && _isLive(organisation);
    }

    /// @inheritdoc IProviderRegistry
    function isAuthority(address who) public view returns (bool) {
        if (who == address(0)) return false;
        return who == _authority0 || who == _authority1 || who == _authority2 || who == _authority3;
    }

    function _issue(Credential calldata credential) private {
        address provider = credential.provider;
        address organisation = credential.organisation;
        uint40 validFrom = credential.validFrom;
        uint40 validUntil = credential.validUntil;
        uint16 roles = credential.roles;
        bytes32 cardHash = credential.cardHash;
        if (provider == address(0)) revert ProviderZero();
        if (validFrom >= validUntil) revert ValidityEmpty(provider, validFrom, validUntil);
        if (cardHash == 0) revert CardHashEmpty(provider);
        _checkRoles(provider, roles, organisation);
        Status status = _status(_credentials[provider]);
        if (status > Status.Active) revert StatusForbids(provider, status);

        _credentials[provider] = uint160(organisation) | uint256(validFrom) << 160
            | uint256(validUntil) << 200 | uint256(roles) << 240;
        emit CredentialIssued(
            provider, msg.sender, cardHash, validFrom, validUntil, roles, organisation
        );
    }

    function _checkRoles(address provider, uint16 roles, address organisation) private view {
        if (roles & ~_ROLES != 0) revert RolesUnknown(provider, roles);
        if (roles & _EMERGENCY != 0) revert EmergencyNeedsSecondAuthority(provider);
        if (organisation == address(0)) return;
        if (roles & _ORGANISATION != 0) revert OrganisationNested(provider);
        if (!_isOrganisation(_credentials[organisation])) {
            revert OrganisationUnknown(provider, organisation);
        }
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
