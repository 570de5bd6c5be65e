// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuthorities} from "./interfaces/IAuthorities.sol";

// Steps take days; the seconds that a block's proposer can shift do not matter.
// forge-lint: disable-start(block-timestamp)
/// @title Who issues credentials?
/// @dev Base of the ProviderRegistry.
abstract contract Authorities is IAuthorities {
    uint256 private constant _DELAY = 3 days;
    uint256 private constant _LAPSE = 7 days;
    uint256 private constant _FOREVER = type(uint40).max;

    /// @dev Those of the deployment stand in the code, where anybody can verify them.
    address private immutable _authority0;
    address private immutable _authority1;
    address private immutable _authority2;
    address private immutable _authority3;

    /// @dev One word for whoever joined or leaves: first second (bits 0 to 39), first second after (40 to 79).
    mapping(address authority => uint256) private _tenures;
    /// @dev One word for a step that waits for a second authority: proposer (bits 0 to 159), first second in which it
    /// has lapsed (160 to 199).
    mapping(bytes32 step => uint256) private _proposals;
    address[] private _joined;
    uint256 private _staying;

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
        _staying = list.length;
    }

    modifier onlyAuthority() {
        if (!isAuthority(msg.sender)) revert NotAuthority(msg.sender);
        _;
    }

    /// @inheritdoc IAuthorities
    function addAuthority(address who) external onlyAuthority {
        if (who == address(0) || block.timestamp < _untilOf(who)) revert AuthorityInvalid(who);
        address proposer = _agree(keccak256(abi.encode(this.addAuthority.selector, who)));
        if (proposer == address(0)) {
            emit AuthorityProposed(who, msg.sender);
            return;
        }
        if (_tenures[who] == 0) _joined.push(who);
        ++_staying;
        uint256 from = block.timestamp + _DELAY;
        _tenures[who] = from | _FOREVER << 40;
        emit AuthorityAdded(who, proposer, msg.sender, uint40(from));
    }

    /// @inheritdoc IAuthorities
    function retireAuthority(address who) external onlyAuthority {
        if (_untilOf(who) != _FOREVER) revert NotAuthority(who);
        if (_staying <= 2) revert AuthorityNeeded(who);
        address proposer = _agree(keccak256(abi.encode(this.retireAuthority.selector, who)));
        if (proposer == address(0)) {
            emit AuthorityRetirementProposed(who, msg.sender);
            return;
        }
        --_staying;
        uint256 until = block.timestamp + _DELAY;
        _tenures[who] = uint40(_tenures[who]) | until << 40;
        emit AuthorityRetired(who, proposer, msg.sender, uint40(until));
    }

    /// @inheritdoc IAuthorities
    function authorities() external view returns (address[] memory list) {
        address[4] memory first = [_authority0, _authority1, _authority2, _authority3];
        list = new address[](4 + _joined.length);
        uint256 count = 0;
        for (uint256 i = 0; i < list.length; ++i) {
            address who = i < 4 ? first[i] : _joined[i - 4];
            if (isAuthority(who)) list[count++] = who;
        }
        // Shortens the list in place, which Solidity has no words for.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            mstore(list, count)
        }
    }

    /// @inheritdoc IAuthorities
    function isAuthority(address who) public view returns (bool) {
        uint256 word = _tenures[who];
        // Whether anything was stored is asked, not what time.
        // slither-disable-next-line incorrect-equality
        if (word == 0) return _isFirst(who);
        return uint40(word) <= block.timestamp && block.timestamp < word >> 40;
    }

    /// @dev Who proposed this step, where the caller is another authority and so agrees; zero where the caller is the
    /// first, whose proposal now waits.
    function _agree(bytes32 step) internal returns (address proposer) {
        uint256 word = _proposals[step];
        proposer = address(uint160(word));
        if (block.timestamp < word >> 160 && isAuthority(proposer)) {
            if (proposer == msg.sender) revert SecondAuthorityNeeded(proposer);
            delete _proposals[step];
        } else {
            proposer = address(0);
            _proposals[step] = uint160(msg.sender) | (block.timestamp + _LAPSE) << 160;
        }
    }

    /// @dev First second in which an account is no authority; zero where it never was to be one.
    function _untilOf(address who) private view returns (uint256) {
        uint256 word = _tenures[who];
        if (word != 0) return word >> 40;
        return _isFirst(who) ? _FOREVER : 0;
    }

    function _isFirst(address who) private view returns (bool) {
        if (who == address(0)) return false;
        return who == _authority0 || who == _authority1 || who == _authority2 || who == _authority3;
    }
}
// forge-lint: disable-end(block-timestamp)
