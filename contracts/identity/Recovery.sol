// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRecovery, Plan} from "../interfaces/IRecovery.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Guardianships} from "./Guardianships.sol";

/// @title Who helps when a key is lost, stolen or outgrown?
abstract contract Recovery is Guardianships {
    /// @dev Trustees; of proposed ones also from when on they can be confirmed, and after which guardianship they were
    /// proposed.
    struct Trustees {
        address[] members;
        uint8 threshold;
        uint40 delay;
        uint40 readyAt;
        uint16 seq;
    }

    /// @dev Of one recovery: a bit for each trustee who supports it, when it can be carried out, whether it was vetoed.
    struct Standing {
        uint16 support;
        uint40 readyAt;
        bool vetoed;
    }

    uint256 private constant _MOST_TRUSTEES = 16;

    mapping(bytes32 patient => Trustees) private _trustees;
    mapping(bytes32 patient => Trustees) private _proposed;
    mapping(bytes32 patient => uint64) private _rounds;
    mapping(bytes32 patient => mapping(bytes32 recovery => Standing)) private _recoveries;

    /// @inheritdoc IRecovery
    function setTrustees(
        bytes32 patient,
        address[] calldata trustees,
        uint8 threshold,
        uint40 delay
    ) external {
        _setTrustees(patient, trustees, threshold, delay, _sender());
    }

    /// @inheritdoc IRecovery
    function setTrusteesBySig(
        bytes32 patient,
        address[] calldata trustees,
        uint8 threshold,
        uint40 delay,
        bytes calldata signer,
        bytes calldata signature
    ) external {
        uint256 sequence = _useSequence(patient);
        bytes32 message = TypedData.trustees(patient, trustees, threshold, delay, sequence);
        bytes32 who = _signerOf(patient, signer, message, signature);
        _setTrustees(patient, trustees, threshold, delay, who);
    }

    /// @inheritdoc IRecovery
    function confirmTrustees(bytes32 patient) external {
        Trustees storage t = _proposed[patient];
        uint40 readyAt = t.readyAt;
        Guardianship storage g = _guardianships[patient];
        if (readyAt == 0 || t.seq != g.seq || block.timestamp < readyAt) {
            revert TrusteesNotReady(patient, readyAt);
        }
        _name(patient, t.members, t.threshold, t.delay);
    }

    /// @inheritdoc IRecovery
    function supportRecovery(bytes32 patient, Plan calldata plan) external {
        _support(patient, plan, _idOf(patient, plan), _sender());
    }

    /// @inheritdoc IRecovery
    function supportRecoveryBySig(
        bytes32 patient,
        Plan calldata plan,
        bytes calldata signer,
        bytes calldata signature
    ) external {
        bytes32 id = _idOf(patient, plan);
        _support(patient, plan, id, _signerOf(patient, signer, id, signature));
    }

    /// @inheritdoc IRecovery
    function vetoRecovery(bytes32 patient, bytes32 recovery) external {
        _veto(patient, recovery, _sender());
    }

    /// @inheritdoc IRecovery
    function vetoRecoveryBySig(
        bytes32 patient,
        bytes32 recovery,
        bytes calldata signer,
        bytes calldata signature
    ) external {
        bytes32 message = TypedData.veto(patient, recovery);
        _veto(patient, recovery, _signerOf(patient, signer, message, signature));
    }

    /// @inheritdoc IRecovery
    function executeRecovery(bytes32 patient, Plan calldata plan) external {
        bytes32 id = _idOf(patient, plan);
        Standing storage r = _recoveries[patient][id];
        if (r.readyAt == 0 || block.timestamp < r.readyAt) {
            revert RecoveryNotReady(patient, id, r.readyAt);
        }
        if (r.vetoed && _count(r.support) != _trustees[patient].members.length) {
            revert VetoStands(patient, id);
        }
        ++_rounds[patient];
        delete _proposed[patient];
        _endGuardianship(patient);
        uint256 word = (_accounts[patient] & ~_GUARDED) >> 160 << 160 | uint160(plan.controller);
        emit IdentityRecovered(patient, id, plan.controller);
        if (plan.guardian == address(0)) _changeEpoch(patient, word);
        else _appoint(patient, word, plan.guardian, plan.until, plan.successor);
    }

    /// @inheritdoc IRecovery
    function trusteesOf(bytes32 patient)
        external
        view
        returns (address[] memory trustees, uint8 threshold, uint40 delay, uint64 round)
    {
        Trustees storage t = _trustees[patient];
        return (t.members, t.threshold, t.delay, _rounds[patient]);
    }

    /// @inheritdoc IRecovery
    function proposedTrusteesOf(bytes32 patient)
        external
        view
        returns (address[] memory trustees, uint8 threshold, uint40 delay, uint40 readyAt)
    {
        Trustees storage t = _proposed[patient];
        return (t.members, t.threshold, t.delay, t.readyAt);
    }

    /// @inheritdoc IRecovery
    function recoveryOf(bytes32 patient, Plan calldata plan)
        external
        view
        returns (bytes32 recovery, uint256 support, uint40 readyAt, bool vetoed)
    {
        recovery = _idOf(patient, plan);
        Standing storage r = _recoveries[patient][recovery];
        return (recovery, _count(r.support), r.readyAt, r.vetoed);
    }

    /// @dev The first trustees wait for nobody, nor do those whom a ward names first of all after a guardianship.
    function _setTrustees(
        bytes32 patient,
        address[] calldata members,
        uint8 threshold,
        uint40 delay,
        bytes32 who
    ) private {
        (uint256 word, uint256 mark) = _accountFor(patient, who);
        _checkNoGuardian(patient, mark);
        _check(patient, members, threshold, delay);
        bool outgrown = word != _accounts[patient];
        if (outgrown) _accounts[patient] = word;
        if (outgrown || !_hasTrustees(patient)) return _name(patient, members, threshold, delay);
        uint40 readyAt = uint40(block.timestamp) + _trustees[patient].delay;
        uint16 seq = _guardianships[patient].seq;
        _proposed[patient] = Trustees(members, threshold, delay, readyAt, seq);
        emit TrusteesProposed(patient, members, threshold, delay, readyAt);
    }

    /// @dev Puts trustees in office, and ends what others began or proposed.
    function _name(bytes32 patient, address[] memory members, uint8 threshold, uint40 delay)
        private
    {
        _trustees[patient] = Trustees(members, threshold, delay, 0, 0);
        ++_rounds[patient];
        delete _proposed[patient];
        emit TrusteesNamed(patient, members, threshold, delay);
    }

    function _support(bytes32 patient, Plan calldata plan, bytes32 id, bytes32 who) private {
        Trustees storage t = _trustees[patient];
        uint16 bit = _bitOf(t, patient, _nameOf(who));
        if (plan.controller == address(0)) revert ControllerZero(patient);
        Standing storage r = _recoveries[patient][id];
        if (r.support & bit != 0) return;
        r.support |= bit;
        emit RecoverySupported(patient, id, _nameOf(who), plan);
        if (r.readyAt != 0 || _count(r.support) < t.threshold) return;
        uint40 readyAt = uint40(block.timestamp) + t.delay;
        r.readyAt = readyAt;
        delete _proposed[patient];
        emit RecoveryBegun(patient, id, readyAt);
    }

    function _veto(bytes32 patient, bytes32 id, bytes32 who) private {
        _accountFor(patient, who);
        Standing storage r = _recoveries[patient][id];
        if (r.readyAt == 0) revert RecoveryNotReady(patient, id, 0);
        if (r.vetoed) return;
        r.vetoed = true;
        emit RecoveryVetoed(patient, id, _nameOf(who));
    }

    function _hasTrustees(bytes32 patient) internal view override returns (bool) {
        return _trustees[patient].members.length != 0;
    }

    function _idOf(bytes32 patient, Plan calldata plan) private view returns (bytes32) {
        return TypedData.recovery(patient, plan, _rounds[patient]);
    }

    function _bitOf(Trustees storage t, bytes32 patient, address who)
        private
        view
        returns (uint16)
    {
        uint256 count = t.members.length;
        for (uint256 i = 0; i < count; ++i) {
            if (t.members[i] == who) return uint16(uint256(1) << i);
        }
        revert NotTrustee(patient, who);
    }

    /// @dev Two at least, and two to agree, or one alone could override a veto.
    function _check(bytes32 patient, address[] calldata members, uint8 threshold, uint40 delay)
        private
        pure
    {
        uint256 count = members.length;
        if (count == 0 && threshold == 0 && delay == 0) return;
        bool valid = threshold >= 2 && threshold <= count && count <= _MOST_TRUSTEES;
        valid = valid && delay >= 1 days && delay <= 90 days && members[0] != address(0);
        for (uint256 i = 1; valid && i < count; ++i) {
            valid = members[i] > members[i - 1];
        }
        if (!valid) revert TrusteesInvalid(patient);
    }

    function _count(uint256 bits) private pure returns (uint256 ones) {
        for (; bits != 0; bits &= bits - 1) {
            ++ones;
        }
    }
}
