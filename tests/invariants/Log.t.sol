// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessLog} from "../../contracts/interfaces/IAccessLog.sol";
import {IBreakGlass} from "../../contracts/interfaces/IBreakGlass.sol";
import {Terms} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IProviderRegistry} from "../../contracts/interfaces/IProviderRegistry.sol";
import {KeyWallet} from "../../contracts/mocks/KeyWallet.sol";
import {Together} from "./Together.sol";
import {VM} from "./Vm.sol";

/// @title Everybody who writes, or tries to, and what is said of their chains
/// @notice Beside the log stands every actor's chain, computed anew from what the actor did. One of the actors is a
/// contract account whose key is the clinician's.
contract Writers is Together {
    Place private _at;
    KeyWallet private _wallet;
    bytes32[] private _glasses;

    mapping(address actor => bytes32) private _chains;
    mapping(string what => uint256) public written;

    constructor() {
        _build(_at);
        _wallet = new KeyWallet(person(CLINICIAN));
        _at.providers
            .issue(
                IProviderRegistry.Credential(
                    address(_wallet), 0, type(uint40).max, 1, person(HOSPITAL), keccak256("card")
                )
            );
    }

    // --- what is written ------------------------------------------------------------------------

    function request(uint256 by, uint256 terms_, uint256 count, uint256 purpose_) external {
        Terms memory terms = draft(_at, terms_);
        bytes32[] memory salts = _salts(count);
        uint32 purpose = purpose_ % 4 == 0 ? 8 : 1;
        bytes memory call = abi.encodeCall(
            IAccessLog.request, (terms, salts, purpose, keccak256("reply"), keccak256("agent"))
        );
        address actor = _likely(by, terms);
        if (_send(actor, address(_at.log), call)) _wrote(actor, terms, salts, purpose);
    }

    function requestWithSignature(uint256 by, uint256 terms_, uint256 count) external {
        Terms memory terms = draft(_at, terms_);
        bytes32[] memory salts = _salts(count);
        bytes memory signature = _sign(terms_ % PATIENTS, _at.consents.grantIdOf(terms));
        bytes memory signer = abi.encodePacked(person(terms_ % PATIENTS));
        bytes memory call = abi.encodeCall(
            IAccessLog.requestWithSignature,
            (terms, salts, 1, keccak256("reply"), keccak256("agent"), signer, signature)
        );
        address actor = _likely(by, terms);
        if (!_send(actor, address(_at.log), call)) return;
        _wrote(actor, terms, salts, 1);
        ++written["at the bedside"];
    }

    function breakGlass(uint256 by, uint256 patient) external {
        bytes32[5] memory said = [
            patientOf(patient),
            keccak256("one segment"),
            keccak256("reason"),
            keccak256("reply"),
            keccak256("agent")
        ];
        bytes memory call = abi.encodeCall(
            IBreakGlass.requestBreakGlass, (said[0], said[1], said[2], said[3], said[4])
        );
        address actor = _actor(by % 4 == 0 ? by : by % 2 == 0 ? CLINICIAN : NURSE);
        if (!_send(actor, address(_at.log), call)) return;
        bytes memory words = abi.encode(
            IBreakGlass.BreakGlassRequested.selector,
            chainOf(actor),
            said[0],
            said[1],
            said[2],
            said[3],
            said[4]
        );
        _chains[actor] = keccak256(words);
        _glasses.push(_chains[actor]);
        ++written["asked"];
    }

    function confirm(uint256 by, uint256 glass) external {
        if (_glasses.length == 0) return;
        bytes32 accessId = _glasses[glass % _glasses.length];
        address actor = _actor(by % 4 == 0 ? by : by % 2 == 0 ? CLINICIAN : NURSE);
        bytes memory call = abi.encodeCall(IBreakGlass.confirmBreakGlass, (accessId));
        if (!_send(actor, address(_at.log), call)) return;
        bytes32 kind = IBreakGlass.BreakGlassConfirmed.selector;
        _chains[actor] = keccak256(abi.encode(kind, chainOf(actor), accessId));
        ++written["confirmed"];
    }

    function review(uint256 by, uint256 glass, bool justified) external {
        if (_glasses.length == 0) return;
        bytes32 accessId = _glasses[glass % _glasses.length];
        address actor = _actor(by % 2 == 0 ? by : REVIEWER);
        bytes32 note = keccak256("note");
        bytes memory call =
            abi.encodeCall(IBreakGlass.reviewBreakGlass, (accessId, justified, note));
        if (!_send(actor, address(_at.log), call)) return;
        bytes32 kind = IBreakGlass.BreakGlassReviewed.selector;
        _chains[actor] = keccak256(abi.encode(kind, chainOf(actor), accessId, justified, note));
        ++written["reviewed"];
    }

    // --- what writes nothing --------------------------------------------------------------------

    function grant(uint256 terms_, uint256 revoke) external {
        bytes32 grantId = _at.consents.grantIdOf(draft(_at, terms_));
        VM.prank(person(terms_ % PATIENTS));
        try _at.consents.grant(patientOf(terms_), grantId) {} catch {}
        if (revoke % 8 != 0) return;
        VM.prank(person(terms_ % PATIENTS));
        try _at.consents.revokeAll(patientOf(terms_)) {} catch {}
    }

    function suspendOrReinstate(uint256 who) external {
        try _at.providers.suspend(_actor(who)) {}
        catch {
            try _at.providers.reinstate(_actor(who)) {} catch {}
        }
    }

    function anchor(uint256 by, bytes32 recordId) external {
        bytes memory call = abi.encodeCall(_at.records.anchor, (recordId, keccak256("anchor")));
        _send(_actor(by), address(_at.records), call);
    }

    /// @notice Anybody calls anything anywhere, with words that mean something to somebody.
    function anything(uint256 by, uint256 where, uint256 what, uint256[6] calldata words) external {
        address[4] memory places =
            [address(_at.providers), address(_at.consents), address(_at.records), address(_at.log)];
        bytes4[8] memory selectors = [
            _at.consents.grant.selector,
            _at.consents.setController.selector,
            _at.consents.setGuardian.selector,
            _at.providers.retireAuthority.selector,
            _at.records.supersede.selector,
            IBreakGlass.confirmBreakGlass.selector,
            IAccessLog.request.selector,
            bytes4(bytes32(words[0]))
        ];
        bytes memory call = abi.encodePacked(selectors[what % 8]);
        for (uint256 i = 0; i < 6; ++i) {
            call = abi.encodePacked(call, uint256(uint160(_actor(words[i]))));
        }
        _send(_actor(by), places[where % 4], call);
    }

    function wait(uint256 time) external {
        VM.warp(block.timestamp + time % 2 days);
        VM.roll(block.number + 1);
    }

    // --- what has to hold -----------------------------------------------------------------------

    function chainOf(address actor) public view returns (bytes32 head) {
        head = _chains[actor];
        if (head == 0) head = keccak256(abi.encode(block.chainid, address(_at.log), actor));
    }

    /// @notice Every actor's chain is what the actor itself did, and nothing else, in that order.
    function check() external view {
        for (uint256 i = 0; i <= PEOPLE; ++i) {
            require(_at.log.headOf(_actor(i)) == chainOf(_actor(i)), "an entry of somebody else");
        }
        require(_at.log.headOf(address(this)) == chainOf(address(this)), "the handler wrote");
        require(_at.log.headOf(address(0)) == chainOf(address(0)), "nobody wrote");
    }

    function _wrote(address actor, Terms memory terms, bytes32[] memory salts, uint32 purpose)
        private
    {
        bytes32 grantId = _at.consents.grantIdOf(terms);
        for (uint256 i = 0; i < salts.length; ++i) {
            bytes memory words = abi.encode(
                chainOf(actor),
                recordOf(terms, salts[i]),
                grantId,
                purpose,
                keccak256("reply"),
                keccak256("agent")
            );
            _chains[actor] = keccak256(words);
        }
        ++written[actor == address(_wallet) ? "by the contract account" : "requested"];
    }

    function _actor(uint256 seed) private view returns (address) {
        return seed % (PEOPLE + 1) == PEOPLE ? address(_wallet) : person(seed % (PEOPLE + 1));
    }

    /// @dev Mostly somebody whom the terms name, or a member.
    function _likely(uint256 by, Terms memory terms) private view returns (address) {
        if (by % 4 == 0) return _actor(by / 4);
        address grantee = address(uint160(uint256(terms.grantee)));
        if (grantee != person(HOSPITAL)) return grantee;
        return by % 4 == 1 ? grantee : by % 4 == 2 ? person(NURSE) : address(_wallet);
    }

    function _salts(uint256 count) private pure returns (bytes32[] memory salts) {
        salts = new bytes32[](count % 4);
        for (uint256 i = 0; i < salts.length; ++i) {
            salts[i] = bytes32(count / 4 % 4 + i);
        }
    }

    function _sign(uint256 who, bytes32 grantId) private view returns (bytes memory) {
        bytes memory words = abi.encodePacked(hex"1901", _at.consents.domainSeparator(), grantId);
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(who + 1, keccak256(words));
        return abi.encodePacked(r, s, v);
    }

    /// @dev Of the contract account, its key's holder sends.
    function _send(address actor, address to, bytes memory call) private returns (bool done) {
        if (actor == address(_wallet)) {
            VM.prank(person(CLINICIAN));
            (done,) = actor.call(abi.encodeCall(KeyWallet.execute, (to, call)));
        } else {
            VM.prank(actor);
            (done,) = to.call(call);
        }
    }
}

/// @title Promise 5, over every sequence that the fuzzer finds
/// @notice Only the actor itself writes an entry in its own name.
contract LogInvariants {
    Writers private _writers;

    function setUp() public {
        VM.warp(1_767_225_600);
        _writers = new Writers();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_writers);
    }

    function invariant_a_chain_is_what_its_actor_did_and_nothing_else() public view {
        _writers.check();
    }

    /// @notice The people can write what they try to write, or the invariant would say nothing.
    function test_everything_that_is_tried_can_be_written() public {
        for (uint256 i = 0; i < 8; ++i) {
            _writers.grant(i, 1);
            for (uint256 by = 0; by < 4; ++by) {
                _writers.request(by, i, 2, 1);
            }
            _writers.grant(i, 0);
            _writers.requestWithSignature(1, i, 1);
        }
        _writers.breakGlass(2, 0);
        _writers.confirm(1, 0);
        _writers.review(1, 0, true);
        string[6] memory all = [
            "requested",
            "by the contract account",
            "at the bedside",
            "asked",
            "confirmed",
            "reviewed"
        ];
        for (uint256 i = 0; i < all.length; ++i) {
            require(_writers.written(all[i]) != 0, all[i]);
        }
        _writers.check();
    }
}
