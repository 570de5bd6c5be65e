// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Terms} from "../../contracts/interfaces/IConsentRegistry.sol";
import {Together} from "./Together.sol";
import {VM} from "./Vm.sol";

/// @title Everybody who holds what others signed, and delivers it wherever they can
/// @notice Two deployments, of which the chain under them may become another one; two patients with the same habits.
/// Beside them stands which signatures counted where. The types are written out here once more.
contract Deliverers is Together {
    enum Kind {
        Grant,
        Revoke,
        RevokeAll,
        Controller,
        OptOut
    }

    /// @dev Something that a patient signed: for which deployment and chain, about whom, what, and with which number.
    struct Letter {
        Kind kind;
        uint256 signer;
        uint256 place;
        uint256 chain;
        bytes32 patient;
        bytes32 grantId;
        uint256 value;
        uint256 number;
        uint256 draft;
        bytes signature;
    }

    bytes32 private constant _DOMAIN = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    Place[2] private _places;
    uint256 private _chain = 31_337;
    Letter[] private _letters;

    /// @dev By place, patient and id: that it may be in force, since somebody who may said so; that it was revoked.
    mapping(uint256 => mapping(bytes32 => mapping(bytes32 => bool))) private _granted;
    mapping(uint256 => mapping(bytes32 => mapping(bytes32 => bool))) private _revoked;
    /// @dev By place and patient: how many numbered letters counted.
    mapping(uint256 => mapping(bytes32 => uint256)) private _counted;
    bytes32[] private _ids;
    mapping(bytes32 => bool) private _known;
    mapping(string what => uint256) public counted;

    /// @dev A change of the chain's id does not outlast the call that makes it.
    modifier onChain() {
        VM.chainId(_chain);
        _;
    }

    constructor() onChain {
        for (uint256 i = 0; i < 2; ++i) {
            _build(_places[i]);
        }
    }

    // --- what patients do -----------------------------------------------------------------------

    function sign(uint256 kind, uint256 who, uint256 terms, uint256 place, uint256 value) external {
        place %= 2;
        Letter memory letter;
        letter.kind = Kind(kind % 5);
        letter.signer = who % PATIENTS;
        letter.place = place;
        letter.chain = _chain;
        letter.patient = patientOf(terms);
        letter.grantId = _draft(place, terms);
        letter.value = value % 3;
        letter.number = letter.kind == Kind.RevokeAll
            ? _places[place].consents.epochOf(letter.patient)
            : _places[place].consents.sequenceOf(letter.patient);
        letter.draft = terms;
        letter.signature = _sign(letter);
        _letters.push(letter);
    }

    function grant(uint256 place, uint256 terms) external {
        place %= 2;
        bytes32 id = _draft(place, terms);
        VM.prank(person(terms % PATIENTS));
        try _places[place].consents.grant(patientOf(terms), id) {
            _granted[place][patientOf(terms)][id] = true;
        } catch {}
    }

    function revoke(uint256 place, uint256 terms) external {
        place %= 2;
        bytes32 id = _draft(place, terms);
        VM.prank(person(terms % PATIENTS));
        try _places[place].consents.revoke(patientOf(terms), id) {
            _revoked[place][patientOf(terms)][id] = true;
        } catch {}
    }

    // --- what others do with it -----------------------------------------------------------------

    /// @notice Somebody delivers a letter where it was meant for, or elsewhere, or for somebody or something else.
    function deliver(uint256 by, uint256 which, uint256 place, uint256 twist, uint256 other)
        external
        onChain
    {
        if (_letters.length == 0) return;
        Letter memory letter = _letters[which % _letters.length];
        uint256 here = place % 4 == 0 ? 1 - letter.place : letter.place;
        bool meant = here == letter.place && _chain == letter.chain;
        Letter memory said = letter;
        if (twist % 4 == 0) {
            said = _twisted(letter, here, twist / 4, other);
            meant = meant && _isSame(said, letter);
        }
        VM.prank(person(by));
        _deliver(said, here, meant);
    }

    /// @notice A clinician uses a signed grant at once, as the patient signed it, or with something else in it.
    function use(uint256 terms_, uint256 which, uint256 twist, uint256 salt) external onChain {
        if (_letters.length == 0) return;
        Letter memory letter = _letters[which % _letters.length];
        Place storage here = _places[letter.place];
        Terms memory terms = _terms(letter.place, salt % 4 < 2 ? letter.draft : terms_);
        if (twist % 8 == 1) terms.segment = keccak256("another segment");
        if (twist % 8 == 2) terms.record = recordOf(terms, keccak256("another record"));
        if (twist % 8 == 3) terms.patient = patientOf(terms_ % PATIENTS + 1);
        bytes32 id = here.consents.grantIdOf(terms);
        _know(id);
        bool meant = letter.kind == Kind.Grant && letter.chain == _chain
            && letter.patient == terms.patient && letter.grantId == id;
        bool before = here.consents.inForce(terms.patient, id, terms.epoch);
        bytes32[] memory salts = new bytes32[](1);
        salts[0] = salt % 2 == 0 ? RECORD_SALT : keccak256("another record");
        bytes memory signer = abi.encodePacked(person(letter.signer));
        VM.prank(address(uint160(uint256(terms.grantee))));
        try here.log.requestWithSignature(terms, salts, 1, 0, 0, signer, letter.signature) {
            require(before || meant, "a signature over other terms was used");
            bytes32 asked = recordOf(terms, salts[0]);
            require(terms.record == 0 || terms.record == asked, "another record was asked for");
            require(!_revoked[letter.place][terms.patient][id], "a revoked grant was used");
            if (!before) _granted[letter.place][terms.patient][id] = true;
            ++counted["used"];
        } catch {}
    }

    /// @notice The chain becomes another one, as after a fork.
    function fork() external {
        _chain = _chain == 31_337 ? 31_338 : 31_337;
    }

    // --- what has to hold -----------------------------------------------------------------------

    /// @notice In force is what was granted there by who may, and nothing that was revoked; and as many numbered letters
    /// counted as there are numbers used.
    function check() external view {
        for (uint256 place = 0; place < 2; ++place) {
            for (uint256 i = 0; i < PATIENTS; ++i) {
                _check(place, patientOf(i));
            }
        }
    }

    function _check(uint256 place, bytes32 patient) private view {
        uint64 epoch = _places[place].consents.epochOf(patient);
        for (uint256 i = 0; i < _ids.length; ++i) {
            if (!_places[place].consents.inForce(patient, _ids[i], epoch)) continue;
            require(_granted[place][patient][_ids[i]], "in force, and nobody said so here");
            require(!_revoked[place][patient][_ids[i]], "in force after a revocation");
        }
        uint256 used = _places[place].consents.sequenceOf(patient);
        require(used == _counted[place][patient], "a number counted twice, or not at all");
    }

    function _deliver(Letter memory it, uint256 here, bool meant) private {
        bytes memory signer = abi.encodePacked(person(it.signer));
        Place storage p = _places[here];
        if (it.kind == Kind.Grant) {
            bool before = _isInForce(here, it);
            try p.consents.grantBySig(it.patient, signer, it.grantId, it.signature) {
                if (before) return;
                require(meant, "a grant's signature counted elsewhere");
                require(!_revoked[here][it.patient][it.grantId], "a revoked grant came back");
                _granted[here][it.patient][it.grantId] = true;
                ++counted["granted"];
            } catch {}
        } else if (it.kind == Kind.Revoke) {
            (uint8 status,,,,,) = p.consents.grantState(it.patient, it.grantId);
            try p.consents.revokeBySig(it.patient, signer, it.grantId, it.signature) {
                require(meant || status == 2, "a revocation's signature counted elsewhere");
                _revoked[here][it.patient][it.grantId] = true;
                ++counted["revoked"];
            } catch {}
        } else if (it.kind == Kind.RevokeAll) {
            uint64 epoch = p.consents.epochOf(it.patient);
            try p.consents.revokeAllBySig(it.patient, signer, it.signature) {
                require(meant && it.number == epoch, "the end of all grants counted elsewhere");
                ++counted["all revoked"];
            } catch {}
        } else {
            _deliverNumbered(it, here, meant);
        }
    }

    function _deliverNumbered(Letter memory it, uint256 here, bool meant) private {
        bytes memory signer = abi.encodePacked(person(it.signer));
        Place storage p = _places[here];
        bool fresh = it.number == p.consents.sequenceOf(it.patient);
        bool done;
        // The controller stays the same one, or nobody could sign any more.
        if (it.kind == Kind.Controller) {
            try p.consents.setControllerBySig(it.patient, _controllerIn(it), signer, it.signature) {
                done = true;
            } catch {}
        } else {
            try p.consents.setOptOutBySig(it.patient, _purposesIn(it), signer, it.signature) {
                done = true;
            } catch {}
        }
        if (!done) return;
        require(meant, "a change's signature counted elsewhere");
        require(fresh, "a change's signature counted twice");
        ++_counted[here][it.patient];
        ++counted["changed"];
    }

    /// @dev The letter as said to be about something else.
    function _twisted(Letter memory it, uint256 here, uint256 twist, uint256 other)
        private
        returns (Letter memory)
    {
        Letter memory said = Letter(
            it.kind,
            it.signer,
            it.place,
            it.chain,
            it.patient,
            it.grantId,
            it.value,
            it.number,
            it.draft,
            it.signature
        );
        if (twist % 5 == 0) said.patient = patientOf(other);
        if (twist % 5 == 1) said.grantId = _draft(here, other);
        if (twist % 5 == 2) said.signer = other % PEOPLE;
        if (twist % 5 == 3) said.value = other % 3;
        if (twist % 5 == 4) said.kind = Kind(other % 5);
        return said;
    }

    function _isSame(Letter memory said, Letter memory meant) private pure returns (bool) {
        return said.signer == meant.signer && _message(said) == _message(meant)
            && (said.kind == Kind.Grant) == (meant.kind == Kind.Grant);
    }

    function _isInForce(uint256 here, Letter memory it) private view returns (bool) {
        uint64 epoch = _places[here].consents.epochOf(it.patient);
        return _places[here].consents.inForce(it.patient, it.grantId, epoch);
    }

    function _draft(uint256 place, uint256 seed) private returns (bytes32 id) {
        id = _places[place].consents.grantIdOf(_terms(place, seed));
        _know(id);
    }

    /// @dev Half of the drafts are for one record.
    function _terms(uint256 place, uint256 seed) private view returns (Terms memory terms) {
        terms = draft(_places[place], seed);
        if (seed / DRAFTS % 2 == 1) terms.record = recordOf(terms, RECORD_SALT);
    }

    function _know(bytes32 id) private {
        if (!_known[id]) _ids.push(id);
        _known[id] = true;
    }

    function _controllerIn(Letter memory it) private pure returns (address) {
        return address(uint160(uint256(it.patient)));
    }

    function _purposesIn(Letter memory it) private pure returns (uint32) {
        return uint32(8 * 2 ** it.value);
    }

    function _message(Letter memory it) private pure returns (bytes32) {
        if (it.kind == Kind.Grant) return it.grantId;
        if (it.kind == Kind.Revoke) {
            bytes32 kind = keccak256("Revoke(bytes32 patient,bytes32 grantId)");
            return keccak256(abi.encode(kind, it.patient, it.grantId));
        }
        if (it.kind == Kind.RevokeAll) {
            bytes32 kind = keccak256("RevokeAll(bytes32 patient,uint64 epoch)");
            return keccak256(abi.encode(kind, it.patient, it.number));
        }
        if (it.kind == Kind.Controller) {
            bytes32 kind =
                keccak256("SetController(bytes32 patient,address controller,uint256 sequence)");
            return keccak256(abi.encode(kind, it.patient, _controllerIn(it), it.number));
        }
        bytes32 optOut = keccak256("SetOptOut(bytes32 patient,uint32 purposes,uint256 sequence)");
        return keccak256(abi.encode(optOut, it.patient, _purposesIn(it), it.number));
    }

    function _sign(Letter memory it) private view returns (bytes memory) {
        string memory name = it.kind == Kind.Grant ? "Consentry" : "Consentry Control";
        bytes32 domain = keccak256(
            abi.encode(
                _DOMAIN,
                keccak256(bytes(name)),
                keccak256("1"),
                it.chain,
                address(_places[it.place].consents)
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, _message(it)));
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(it.signer + 1, digest);
        return abi.encodePacked(r, s, v);
    }
}

/// @title Promise 6, over every sequence that the fuzzer finds
/// @notice A signature for one chain, contract, patient and grant is accepted nowhere else, nor after a revocation, nor
/// a second time where it carries a number; with patient, segment or record swapped it is refused.
contract ReplayInvariants {
    Deliverers private _deliverers;

    function setUp() public {
        VM.warp(1_767_225_600);
        _deliverers = new Deliverers();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_deliverers);
    }

    function invariant_no_signature_counts_elsewhere_or_again() public view {
        _deliverers.check();
    }

    /// @notice Signatures count where they are meant for, or the invariant would say nothing.
    function test_every_kind_of_signature_counts_once() public {
        for (uint256 kind = 0; kind < 5; ++kind) {
            _deliverers.sign(kind, 0, 0, 0, 1);
            for (uint256 again = 0; again < 2; ++again) {
                _deliverers.deliver(1, kind, 1, 1, 0);
            }
        }
        _deliverers.sign(0, 0, 0, 1, 0);
        _deliverers.use(0, 5, 0, 0);
        _deliverers.sign(0, 0, 2, 0, 0);
        _deliverers.fork();
        _deliverers.sign(0, 0, 4, 0, 0);
        uint256 before = _deliverers.counted("granted");
        _deliverers.deliver(1, 6, 1, 1, 0);
        require(_deliverers.counted("granted") == before, "on another chain");
        _deliverers.deliver(1, 7, 1, 1, 0);
        require(_deliverers.counted("granted") == before + 1, "not on the chain that it became");
        string[5] memory all = ["granted", "revoked", "all revoked", "changed", "used"];
        for (uint256 i = 0; i < all.length; ++i) {
            require(_deliverers.counted(all[i]) != 0, all[i]);
        }
        _deliverers.check();
    }
}
