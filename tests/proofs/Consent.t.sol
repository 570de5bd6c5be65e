// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConsentRegistry} from "../../contracts/ConsentRegistry.sol";
import {IERC1271} from "../../contracts/interfaces/IERC1271.sol";
import {IERC7913SignatureVerifier} from "../../contracts/interfaces/IERC7913.sol";
import {IGuardianship} from "../../contracts/interfaces/IGuardianship.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {IProviderRegistry} from "../../contracts/interfaces/IProviderRegistry.sol";
import {IRecovery} from "../../contracts/interfaces/IRecovery.sol";
import {SVM, VM, Wallet, both, either} from "./Symbolic.sol";

/// @title Promises 1 and 2, from every state and for every call
/// @notice Symbolic in every proof: the registry's whole storage (so also states that no sequence of calls reaches), the
/// time, the caller, the patient and the grant's id. What holds for one call from every state holds for every sequence
/// of calls. ecrecover is a function of which nothing is known: any signature may be anybody's; keccak256 is one
/// without collisions.
contract ConsentProofs {
    /// @dev What the registry holds of one patient and one grant.
    struct State {
        address controller;
        uint64 epoch;
        bool guarded;
        address guardian;
        uint40 until;
        uint16 seq;
        address successor;
        uint8 status;
        uint16 grantSeq;
        uint64 grantEpoch;
    }

    uint8 private constant _IN_FORCE = 1;
    uint8 private constant _REVOKED = 2;
    uint256 private constant _HALF_ORDER =
        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    /// @dev Where the registry keeps trustees and proposed ones, by patient.
    uint256 private constant _TRUSTEES_SLOT = 3;
    uint256 private constant _PROPOSED_SLOT = 4;

    ConsentRegistry private _consents;
    Wallet private _wallet;

    function setUp() public {
        _wallet = new Wallet();
        SVM.enableSymbolicStorage(address(_wallet));
        _consents = new ConsentRegistry(IProviderRegistry(address(_wallet)));
        SVM.enableSymbolicStorage(address(_consents));
    }

    /// @notice Of one call of any function that writes: a grant that is in force after it and was not before, came into
    /// force by `grant`, `grantMany` or `renew` and a caller who acts for the patient, or by `grantBySig` (see the next
    /// proof); and had no status before, so that what was revoked, or ended with its epoch or its guardianship, never
    /// comes back, whoever calls. What is revoked stays so; no status but the three ever arises. And nobody begins to
    /// act for the patient but by `setController`, `setGuardian` or `endGuardianship` of a caller who acts, by one of
    /// these with a signature, or by a recovery.
    /// @dev Symbolic besides: all arguments, and the answers of wallets and verifiers. Bounded: a signer of 20 or 52
    /// bytes, a signature of 65, a public key of 32, arrays of two; the patient has three trustees, and two proposed;
    /// at most four support a recovery. Assumed: a new epoch, 64 bits of a hash, is not by chance this grant's old one.
    /// @custom:halmos --array-lengths signer={20,52},signature=65,publicKey=32 --default-array-lengths 2 --loop 4
    function check_only_who_acts_puts_a_grant_in_force_and_only_once(
        address caller,
        bytes32 patient,
        bytes32 id,
        address who
    ) public {
        VM.warp(SVM.createUint(40, "time"));
        State memory before = _stateOf(patient, id);
        bytes4 called = _anyCall(caller);
        State memory then = _stateOf(patient, id);
        assert(either(before.status > _REVOKED, then.status <= _REVOKED));
        assert(either(before.status != _REVOKED, then.status == _REVOKED));
        VM.assume(either(then.epoch == before.epoch, then.epoch != before.grantEpoch));
        bool began = both(_isInForce(then), !_isInForce(before));
        bool direct = called == ConsentRegistry.grant.selector
            || called == ConsentRegistry.grantMany.selector
            || called == ConsentRegistry.renew.selector;
        bool acted = _actsAs(before, caller, patient);
        bool may = either(both(direct, acted), called == ConsentRegistry.grantBySig.selector);
        assert(either(!began, both(before.status == 0, may)));
        if (_isSame(before, then)) return;
        bool rises = both(_actsAs(then, who, patient), !_actsAs(before, who, patient));
        assert(either(!rises, either(both(_names(called), acted), _namesOtherwise(called))));
    }

    /// @notice A grant that `grantBySig` put in force names a signer who acts for the patient, and that signer signed
    /// this grant for this contract on this chain: ecrecover says so (low s), or the signer's contract was asked about
    /// this digest and answered with the magic value.
    /// @dev Symbolic besides: signer, signature, and the one word that a wallet or verifier answers. Bounded: a signer
    /// of 20 or 52 bytes, a signature of 64 or 65.
    function check_a_delivered_grant_was_signed_by_who_acts(
        address caller,
        bytes32 patient,
        bytes32 id,
        bool keyed,
        bool compact
    ) public {
        VM.warp(SVM.createUint(40, "time"));
        bytes memory signer = SVM.createBytes(keyed ? 52 : 20, "signer");
        bytes memory signature = SVM.createBytes(compact ? 64 : 65, "signature");
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _consents.domainSeparator(), id));
        _wallet.expect(digest);
        State memory before = _stateOf(patient, id);
        VM.prank(caller);
        _consents.grantBySig(patient, signer, id, signature);
        if (_isInForce(before)) return;
        assert(_isInForce(_stateOf(patient, id)));
        assert(_acts(before, _identityOf(signer), patient));
        bool asked = address(bytes20(signer)) == address(_wallet);
        bytes4 magic =
            keyed ? IERC7913SignatureVerifier.verify.selector : IERC1271.isValidSignature.selector;
        assert(
            (asked && _wallet.answer() == bytes32(magic))
                || (!keyed && _recover(digest, signature) == address(bytes20(signer)))
        );
    }

    /// @notice After `revoke`, `revokeBySig`, or `renew` of this id, it is revoked, whatever it was.
    /// @dev Symbolic besides: signer and signature. Bounded: a signer of 20 bytes, a signature of 65. Assumed: the
    /// status is one of the three, as the first proof shows.
    function check_a_revocation_ends_one(
        address caller,
        bytes32 patient,
        bytes32 id,
        bytes32 other,
        uint8 way
    ) public {
        VM.warp(SVM.createUint(40, "time"));
        bytes memory signer = SVM.createBytes(20, "signer");
        bytes memory signature = SVM.createBytes(65, "signature");
        VM.assume(_stateOf(patient, id).status <= _REVOKED);
        VM.prank(caller);
        if (way == 0) _consents.revoke(patient, id);
        else if (way == 1) _consents.revokeBySig(patient, signer, id, signature);
        else _consents.renew(patient, id, other);
        assert(_stateOf(patient, id).status == _REVOKED);
    }

    /// @notice After `revokeAll` or `revokeAllBySig` nothing is in force that was.
    /// @dev Symbolic besides: signer and signature. Bounded: a signer of 20 bytes, a signature of 65.
    function check_revokeAll_ends_all(address caller, bytes32 patient, bytes32 id, bool signed)
        public
    {
        VM.warp(SVM.createUint(40, "time"));
        State memory before = _stateOf(patient, id);
        bytes memory signer = SVM.createBytes(20, "signer");
        bytes memory signature = SVM.createBytes(65, "signature");
        VM.prank(caller);
        if (signed) _consents.revokeAllBySig(patient, signer, signature);
        else _consents.revokeAll(patient);
        assert(!_isInForce(before) || !_isInForce(_stateOf(patient, id)));
    }

    /// @notice Whoever acts for the patient can revoke one grant and all, in every state: neither call ever fails.
    function check_who_acts_can_always_revoke(address caller, bytes32 patient, bytes32 id, bool all)
        public
    {
        VM.warp(SVM.createUint(40, "time"));
        State memory before = _stateOf(patient, id);
        bytes memory data = all
            ? abi.encodeCall(ConsentRegistry.revokeAll, (patient))
            : abi.encodeCall(ConsentRegistry.revoke, (patient, id));
        VM.prank(caller);
        (bool done,) = address(_consents).call(data);
        assert(done || !_actsAs(before, caller, patient));
    }

    /// @notice What these proofs mean by in force is what the registry answers, and in no other epoch than the patient's
    /// is anything in force.
    function check_in_force_is_what_these_proofs_mean(bytes32 patient, bytes32 id, uint64 epoch)
        public
    {
        VM.warp(SVM.createUint(40, "time"));
        State memory s = _stateOf(patient, id);
        assert((epoch == s.epoch && _isInForce(s)) == _consents.inForce(patient, id, epoch));
    }

    /// @dev One call that succeeds. Its first argument is the patient in every function that writes.
    function _anyCall(address caller) private returns (bytes4 called) {
        bytes memory data = SVM.createCalldata("ConsentRegistry");
        VM.assume(data.length >= 36);
        bytes32 patient;
        assembly ("memory-safe") {
            patient := mload(add(data, 0x24))
        }
        bytes32 named = keccak256(abi.encode(patient, _TRUSTEES_SLOT));
        bytes32 proposed = keccak256(abi.encode(patient, _PROPOSED_SLOT));
        VM.store(address(_consents), named, bytes32(uint256(3)));
        VM.store(address(_consents), proposed, bytes32(uint256(2)));
        VM.prank(caller);
        (bool done,) = address(_consents).call(data);
        VM.assume(done);
        return bytes4(data);
    }

    function _stateOf(bytes32 patient, bytes32 id) private view returns (State memory s) {
        uint32 flags;
        (s.controller, s.epoch, flags) = _consents.account(patient);
        s.guarded = flags & 1 != 0;
        (s.guardian, s.until, s.seq, s.successor) = _consents.guardianshipOf(patient);
        (s.status,, s.grantSeq, s.grantEpoch,,) = _consents.grantState(patient, id);
    }

    function _isInForce(State memory s) private view returns (bool) {
        bool current = both(s.status == _IN_FORCE, s.grantEpoch == s.epoch);
        bool inOffice = both(s.grantSeq == s.seq, block.timestamp < s.until);
        return both(current, either(s.grantSeq == 0, inOffice));
    }

    /// @dev The controller, the identity itself where there is none, or the guardian in office; after an office the
    /// successor alone.
    function _acts(State memory s, bytes32 who, bytes32 patient) private view returns (bool) {
        address name = address(uint160(uint256(who)));
        bool zero = s.controller == address(0);
        bool controls = either(both(zero, who == patient), both(!zero, name == s.controller));
        bool acted = either(controls, both(s.guarded, name == s.guardian));
        bool follows = both(s.successor != address(0), name == s.successor);
        bool over = both(s.guarded, block.timestamp >= s.until);
        return either(both(over, follows), both(!over, acted));
    }

    function _actsAs(State memory s, address who, bytes32 patient) private view returns (bool) {
        return _acts(s, bytes32(uint256(uint160(who))), patient);
    }

    /// @dev Whether nothing changed of who acts.
    function _isSame(State memory a, State memory b) private pure returns (bool) {
        bool account = both(a.controller == b.controller, a.guarded == b.guarded);
        bool office = both(a.guardian == b.guardian, a.until == b.until);
        return both(both(account, office), a.successor == b.successor);
    }

    /// @dev Whether a function changes who acts, at the word of its caller.
    function _names(bytes4 called) private pure returns (bool) {
        return called == IIdentityRegistry.setController.selector
            || called == IGuardianship.setGuardian.selector
            || called == IGuardianship.endGuardianship.selector;
    }

    /// @dev Whether a function changes who acts, at the word of a signer or of trustees.
    function _namesOtherwise(bytes4 called) private pure returns (bool) {
        return called == IIdentityRegistry.setControllerBySig.selector
            || called == IGuardianship.setGuardianBySig.selector
            || called == IGuardianship.endGuardianshipBySig.selector
            || called == IRecovery.executeRecovery.selector;
    }

    function _identityOf(bytes memory signer) private pure returns (bytes32) {
        if (signer.length != 20) return keccak256(signer);
        return bytes32(uint256(uint160(bytes20(signer))));
    }

    function _recover(bytes32 digest, bytes memory signature) private pure returns (address) {
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
        if (signature.length == 64) {
            v = uint8(27 + (uint256(s) >> 255));
            s = bytes32(uint256(s) & type(uint256).max >> 1);
        }
        return uint256(s) > _HALF_ORDER ? address(0) : ecrecover(digest, v, r, s);
    }
}
