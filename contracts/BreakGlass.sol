// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EntryChain} from "./EntryChain.sol";
import {IBreakGlass} from "./interfaces/IBreakGlass.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";

// Hours are counted; the seconds that a block's proposer can shift do not matter.
// forge-lint: disable-start(block-timestamp)
/// @title Who broke the glass?
/// @dev Base of the AccessLog, whose chains its acts stand in.
abstract contract BreakGlass is IBreakGlass, EntryChain {
    uint16 private constant _EMERGENCY = 2;
    uint16 private constant _REVIEWER = 16;
    uint256 private constant _CONFIRM_WITHIN = 1 hours;
    uint256 private constant _OPEN_FOR = 4 hours;
    /// @dev A review is due when access ends.
    uint256 private constant _OVERDUE = 72 hours;

    mapping(bytes32 accessId => Glass) private _glasses;
    /// @dev A requester's confirmed ones, oldest first, and how many of these, from the oldest on, need no look any more.
    mapping(address requester => bytes32[]) private _confirmed;
    mapping(address requester => uint256) private _cleared;

    /// @inheritdoc IBreakGlass
    function requestBreakGlass(
        bytes32 patient,
        bytes32 segment,
        bytes32 reasonHash,
        bytes32 replyKeyHash,
        bytes32 agent
    ) external returns (bytes32 accessId) {
        if (reasonHash == 0) revert ReasonEmpty();
        address organisation = _organisationIn(msg.sender, _EMERGENCY);
        uint256 cleared = _firstUnreviewed(msg.sender);
        accessId = _overdueAt(msg.sender, cleared);
        if (accessId != 0) revert ReviewOverdue(msg.sender, accessId);
        _cleared[msg.sender] = cleared;

        bytes32 kind = BreakGlassRequested.selector;
        bytes32 head = _headOf(msg.sender);
        accessId =
            keccak256(abi.encode(kind, head, patient, segment, reasonHash, replyKeyHash, agent));
        _append(accessId);
        Glass storage glass = _glasses[accessId];
        glass.requester = msg.sender;
        glass.requestedAt = uint40(block.timestamp);
        glass.requesterOrganisation = organisation;
        emit BreakGlassRequested(
            accessId, msg.sender, patient, segment, reasonHash, replyKeyHash, agent
        );
    }

    /// @inheritdoc IBreakGlass
    function confirmBreakGlass(bytes32 accessId) external {
        Glass storage glass = _glasses[accessId];
        address requester = glass.requester;
        if (requester == address(0)) revert GlassUnknown(accessId);
        if (glass.confirmedAt != 0) revert GlassAlreadyConfirmed(accessId);
        if (msg.sender == requester) revert GlassInvolved(accessId, requester);
        if (block.timestamp > glass.requestedAt + _CONFIRM_WITHIN) revert GlassLapsed(accessId);
        _organisationIn(requester, _EMERGENCY);
        glass.confirmerOrganisation = _organisationIn(msg.sender, _EMERGENCY);
        glass.confirmer = msg.sender;
        glass.confirmedAt = uint40(block.timestamp);
        _confirmed[requester].push(accessId);

        bytes32 kind = BreakGlassConfirmed.selector;
        bytes32 link = keccak256(abi.encode(kind, _headOf(msg.sender), accessId));
        _append(link);
        uint40 openUntil = uint40(block.timestamp + _OPEN_FOR);
        emit BreakGlassConfirmed(accessId, requester, msg.sender, openUntil, link);
    }

    /// @inheritdoc IBreakGlass
    function reviewBreakGlass(bytes32 accessId, bool justified, bytes32 noteHash) external {
        Glass storage glass = _glasses[accessId];
        if (glass.confirmedAt == 0) revert GlassNotConfirmed(accessId);
        if (glass.reviewedAt != 0) revert GlassAlreadyReviewed(accessId);
        _checkReviewer(accessId, glass);
        glass.reviewer = msg.sender;
        glass.reviewedAt = uint40(block.timestamp);
        glass.justified = justified;

        bytes32 kind = BreakGlassReviewed.selector;
        bytes32 head = _headOf(msg.sender);
        bytes32 link = keccak256(abi.encode(kind, head, accessId, justified, noteHash));
        _append(link);
        emit BreakGlassReviewed(accessId, glass.requester, msg.sender, justified, noteHash, link);
    }

    /// @inheritdoc IBreakGlass
    function isOpen(bytes32 accessId) external view returns (bool yes) {
        Glass storage glass = _glasses[accessId];
        if (glass.confirmedAt == 0 || glass.reviewedAt != 0) return false;
        if (block.timestamp >= glass.confirmedAt + _OPEN_FOR) return false;
        // Where the requester works does not matter here.
        // slither-disable-next-line unused-return
        (yes,) = _providers().holds(glass.requester, _EMERGENCY);
    }

    /// @inheritdoc IBreakGlass
    function glassOf(bytes32 accessId) external view returns (Glass memory) {
        return _glasses[accessId];
    }

    /// @inheritdoc IBreakGlass
    function overdueReview(address requester) external view returns (bytes32) {
        return _overdueAt(requester, _firstUnreviewed(requester));
    }

    /// @dev Where roles are looked up.
    function _providers() internal view virtual returns (IProviderRegistry);

    /// @dev The caller is a third: neither of the two, and of no organisation that either is of, or was of then.
    function _checkReviewer(bytes32 accessId, Glass storage glass) private view {
        address[2] memory two = [glass.requester, glass.confirmer];
        if (msg.sender == two[0] || msg.sender == two[1]) {
            revert GlassInvolved(accessId, msg.sender);
        }
        address organisation = _organisationIn(msg.sender, _REVIEWER);
        address[2] memory then = [glass.requesterOrganisation, glass.confirmerOrganisation];
        for (uint256 i = 0; i < 2; ++i) {
            // Of both, in our own registry; whether they are still in office does not matter.
            // slither-disable-next-line calls-loop,unused-return
            (, address current) = _providers().holds(two[i], _EMERGENCY);
            if (organisation == then[i] || organisation == current) {
                revert SameOrganisation(accessId, organisation);
            }
        }
    }

    /// @dev The organisation of somebody who acts in this role; refuses everybody else.
    function _organisationIn(address who, uint16 role) private view returns (address organisation) {
        bool yes;
        (yes, organisation) = _providers().holds(who, role);
        if (!yes) revert RoleMissing(who, role);
    }

    /// @dev How many of a requester's confirmed ones stand before the oldest that was not reviewed.
    function _firstUnreviewed(address requester) private view returns (uint256 index) {
        bytes32[] storage all = _confirmed[requester];
        index = _cleared[requester];
        while (index < all.length && _glasses[all[index]].reviewedAt != 0) ++index;
    }

    /// @dev The requester's confirmed one at this place, where its review is overdue by too much; else zero.
    function _overdueAt(address requester, uint256 index) private view returns (bytes32 accessId) {
        if (index == _confirmed[requester].length) return 0;
        accessId = _confirmed[requester][index];
        uint256 due = _glasses[accessId].confirmedAt + _OPEN_FOR;
        if (block.timestamp <= due + _OVERDUE) accessId = 0;
    }
}
// forge-lint: disable-end(block-timestamp)
