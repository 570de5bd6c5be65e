// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConsentRegistry} from "../../contracts/ConsentRegistry.sol";
import {IProviderRegistry} from "../../contracts/interfaces/IProviderRegistry.sol";
import {Plan} from "../../contracts/interfaces/IRecovery.sol";
import {VM} from "./Vm.sol";

/// @title Six people who try everything with one identity
/// @notice Beside the registry stands what these few lines know: who may act (a controller, a guardian and when its
/// office ends), and what was revoked. Every call that succeeds is held against it.
contract Everybody {
    uint256 private constant PEOPLE = 6;
    uint256 private constant IDS = 16;

    ConsentRegistry public immutable consents;
    bytes32 public immutable patient;

    address public controller;
    address public guardian;
    address public successor;
    uint40 public until;

    mapping(bytes32 id => bool) public revoked;
    mapping(bytes32 id => uint64) private _deadEpoch;
    uint256 public granted;
    uint256 public recovered;
    uint256 public appointed;

    constructor() {
        consents = new ConsentRegistry(IProviderRegistry(address(this)));
        controller = person(0);
        patient = bytes32(uint256(uint160(controller)));
    }

    function person(uint256 seed) public pure returns (address) {
        return VM.addr(seed % PEOPLE + 1);
    }

    /// @notice Who tries: half of the time somebody who may.
    function by_(uint256 seed) public view returns (address) {
        if (seed % 4 == 0) return now_();
        if (seed % 4 == 1 && guardian != address(0)) return guardian;
        return person(seed / 4);
    }

    function idOf(uint256 seed) public pure returns (bytes32) {
        return keccak256(abi.encode("grant", seed % IDS));
    }

    /// @notice Whether somebody acts for the patient now, by what this model knows.
    function acts(address who) public view returns (bool) {
        if (block.timestamp < until) return who == controller || who == guardian;
        return who == now_();
    }

    function now_() public view returns (address) {
        return until != 0 && block.timestamp >= until ? successor : controller;
    }

    // --- what everybody tries -------------------------------------------------------------------

    function grant(uint256 by, uint256 seed) external {
        bytes32 id = idOf(seed);
        bool before = _isInForce(id);
        VM.prank(by_(by));
        try consents.grant(patient, id) {
            _granted(by_(by), id, before);
        } catch {}
    }

    function deliver(uint256 signer, uint256 said, uint256 seed) external {
        bytes32 id = idOf(seed);
        bool before = _isInForce(id);
        bytes memory signature = _sign(signer, consents.domainSeparator(), id);
        bytes memory whom = abi.encodePacked(person(said));
        try consents.grantBySig(patient, whom, id, signature) {
            if (!before) require(person(signer) == person(said), "another's signature counted");
            _granted(person(said), id, before);
        } catch {}
    }

    function renew(uint256 by, uint256 old, uint256 new_) external {
        bool before = _isInForce(idOf(new_));
        VM.prank(by_(by));
        try consents.renew(patient, idOf(old), idOf(new_)) {
            require(acts(by_(by)), "a stranger revoked");
            revoked[idOf(old)] = true;
            _granted(by_(by), idOf(new_), before);
        } catch {}
    }

    function revoke(uint256 by, uint256 seed) external {
        VM.prank(by_(by));
        try consents.revoke(patient, idOf(seed)) {
            require(acts(by_(by)), "a stranger revoked");
            revoked[idOf(seed)] = true;
        } catch {
            require(!acts(by_(by)), "a revocation was stopped");
        }
    }

    function revokeAll(uint256 by) external {
        VM.prank(by_(by));
        try consents.revokeAll(patient) {
            require(acts(by_(by)), "a stranger revoked");
            _nothingInForce();
        } catch {
            require(!acts(by_(by)), "a revocation was stopped");
        }
        _settle();
    }

    function setController(uint256 by, uint256 to) external {
        VM.prank(by_(by));
        try consents.setController(patient, person(to)) {
            require(by_(by) == now_() && block.timestamp >= until, "not the controller");
            _settle();
            controller = person(to);
        } catch {}
    }

    function setGuardian(uint256 by, uint256 to, uint256 heir, uint256 time) external {
        uint40 end = uint40(block.timestamp + time % 30 days);
        VM.prank(by_(by));
        try consents.setGuardian(patient, person(to), end, person(heir)) {
            require(acts(by_(by)), "a stranger appointed");
            if (block.timestamp < until) {
                require(by_(by) == guardian && end <= until && person(heir) == successor);
            }
            _settle();
            (guardian, until, successor) = (person(to), end, person(heir));
            ++appointed;
            _nothingInForce();
        } catch {}
    }

    function leaveOffice(uint256 by) external {
        VM.prank(by_(by));
        try consents.endGuardianship(patient) {
            require(by_(by) == guardian && block.timestamp < until, "not the guardian");
            until = uint40(block.timestamp);
            _nothingInForce();
        } catch {}
    }

    function setTrustees(uint256 by, uint256 first) external {
        address[] memory three = _three(first);
        VM.prank(by_(by));
        try consents.setTrustees(patient, three, 2, 1 days) {
            require(by_(by) == now_() && block.timestamp >= until, "not the controller");
            _settle();
        } catch {}
    }

    function confirm() external {
        try consents.confirmTrustees(patient) {} catch {}
    }

    function support(uint256 by, uint256 to) external {
        VM.prank(person(by));
        try consents.supportRecovery(patient, _plan(to)) {
            require(_isTrustee(person(by)), "not a trustee");
        } catch {}
    }

    function veto(uint256 by, uint256 to) external {
        (bytes32 id,,,) = consents.recoveryOf(patient, _plan(to));
        VM.prank(by_(by));
        try consents.vetoRecovery(patient, id) {
            require(acts(by_(by)), "a stranger vetoed");
        } catch {}
    }

    function carryOut(uint256 to) external {
        (, uint256 count, uint40 readyAt, bool vetoed) = consents.recoveryOf(patient, _plan(to));
        try consents.executeRecovery(patient, _plan(to)) {
            require(count >= (vetoed ? 3 : 2), "too few");
            require(readyAt != 0 && block.timestamp >= readyAt, "too early");
            (controller, guardian, until, successor) = (person(to % 2), address(0), 0, address(0));
            ++recovered;
            _nothingInForce();
        } catch {}
    }

    function wait(uint256 time) external {
        VM.warp(block.timestamp + time % 4 days);
        VM.roll(block.number + 1);
    }

    // --- what has to hold -----------------------------------------------------------------------

    /// @notice What was revoked is not in force, and can be put in force by nobody.
    function checkRevoked() external {
        for (uint256 i = 0; i < IDS; ++i) {
            if (!revoked[idOf(i)]) continue;
            require(!_isInForce(idOf(i)), "a revoked grant lives");
            VM.prank(now_());
            try consents.grant(patient, idOf(i)) {
                revert("a revoked grant came back");
            } catch {}
        }
    }

    /// @notice Whoever acts for the patient can revoke anything, whatever happened before.
    function checkRevocable() external {
        address[2] memory people = [now_(), block.timestamp < until ? guardian : now_()];
        for (uint256 i = 0; i < IDS * 2; ++i) {
            VM.prank(people[i % 2]);
            consents.revoke(patient, idOf(i));
            require(!_isInForce(idOf(i)), "a revocation did nothing");
        }
    }

    function checkController() external view {
        require(consents.controllerOf(patient) == now_(), "another controller");
    }

    function _granted(address who, bytes32 id, bool before) private {
        if (before) return;
        require(acts(who), "a stranger granted");
        require(!revoked[id], "a revoked grant came back");
        require(_isInForce(id), "a grant did nothing");
        ++granted;
    }

    function _isInForce(bytes32 id) private view returns (bool) {
        return consents.inForce(patient, id, consents.epochOf(patient));
    }

    function _nothingInForce() private view {
        for (uint256 i = 0; i < IDS; ++i) {
            require(!_isInForce(idOf(i)), "a grant outlived its end");
        }
    }

    /// @dev A guardianship that is over leaves its successor.
    function _settle() private {
        if (until == 0 || block.timestamp < until) return;
        (controller, guardian, until, successor) = (successor, address(0), 0, address(0));
    }

    function _sign(uint256 signer, bytes32 domain, bytes32 message)
        private
        pure
        returns (bytes memory)
    {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, message));
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(signer % PEOPLE + 1, digest);
        return abi.encodePacked(r, s, v);
    }

    function _plan(uint256 to) private pure returns (Plan memory) {
        return Plan(person(to % 2), address(0), 0, address(0));
    }

    function _isTrustee(address who) private view returns (bool) {
        (address[] memory members,,,) = consents.trusteesOf(patient);
        for (uint256 i = 0; i < members.length; ++i) {
            if (members[i] == who) return true;
        }
        return false;
    }

    function _three(uint256 first) private pure returns (address[] memory three) {
        three = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            three[i] = person(first % PEOPLE + i);
        }
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (three[j] < three[i]) (three[i], three[j]) = (three[j], three[i]);
            }
        }
    }
}

/// @title Promises 1 and 2, over every sequence that the fuzzer finds
/// @notice 1: nobody but the controller, or the guardian in office, puts or keeps a grant in force. 2: nothing stops a
/// revocation.
contract ConsentInvariants {
    struct Calls {
        address addr;
        bytes4[] selectors;
    }

    Everybody private _everybody;

    function setUp() public {
        VM.warp(1_767_225_600);
        _everybody = new Everybody();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_everybody);
    }

    function targetSelectors() public view returns (Calls[] memory targets) {
        bytes4[14] memory all = [
            Everybody.grant.selector,
            Everybody.deliver.selector,
            Everybody.renew.selector,
            Everybody.revoke.selector,
            Everybody.revokeAll.selector,
            Everybody.setController.selector,
            Everybody.setGuardian.selector,
            Everybody.leaveOffice.selector,
            Everybody.setTrustees.selector,
            Everybody.confirm.selector,
            Everybody.support.selector,
            Everybody.veto.selector,
            Everybody.carryOut.selector,
            Everybody.wait.selector
        ];
        targets = new Calls[](1);
        targets[0] = Calls(address(_everybody), new bytes4[](all.length));
        for (uint256 i = 0; i < all.length; ++i) {
            targets[0].selectors[i] = all[i];
        }
    }

    function invariant_what_was_revoked_never_comes_back() public {
        _everybody.checkRevoked();
    }

    function invariant_whoever_acts_can_revoke() public {
        uint256 before = VM.snapshotState();
        _everybody.checkRevocable();
        VM.revertToState(before);
    }

    function invariant_the_controller_is_who_should_be() public view {
        _everybody.checkController();
    }
}
