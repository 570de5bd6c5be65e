// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessLog} from "../../contracts/AccessLog.sol";
import {ConsentRegistry} from "../../contracts/ConsentRegistry.sol";
import {ProviderRegistry} from "../../contracts/ProviderRegistry.sol";
import {RecordRegistry} from "../../contracts/RecordRegistry.sol";
import {Terms} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IProviderRegistry} from "../../contracts/interfaces/IProviderRegistry.sol";
import {VM} from "./Vm.sol";

/// @title All contracts together, and the people around them
/// @notice Two patients, a clinician of her own, a nurse of a hospital, a reviewer of a clinic, and a stranger.
abstract contract Together {
    struct Place {
        ProviderRegistry providers;
        ConsentRegistry consents;
        RecordRegistry records;
        AccessLog log;
    }

    uint256 internal constant CLINICIAN = 2;
    uint256 internal constant NURSE = 3;
    uint256 internal constant HOSPITAL = 4;
    uint256 internal constant REVIEWER = 5;
    uint256 internal constant CLINIC = 6;
    uint256 internal constant AUTHORITY = 7;
    uint256 internal constant STRANGER = 8;
    uint256 internal constant PEOPLE = 9;

    uint256 internal constant PATIENTS = 2;
    uint256 internal constant DRAFTS = 8;
    bytes32 internal constant RECORD_SALT = keccak256("one record");
    uint16 private constant _READ = 1;
    uint16 private constant _MEMBERS = 4;

    function person(uint256 seed) public pure returns (address) {
        return VM.addr(seed % PEOPLE + 1);
    }

    function patientOf(uint256 seed) public pure returns (bytes32) {
        return bytes32(uint256(uint160(person(seed % PATIENTS))));
    }

    /// @dev Terms of a patient for one of four grantees, in the patient's epoch of now.
    function draft(Place storage here, uint256 seed) internal view returns (Terms memory terms) {
        uint256[4] memory grantees = [CLINICIAN, NURSE, HOSPITAL, REVIEWER];
        uint256 grantee = grantees[seed / PATIENTS % 4];
        terms.patient = patientOf(seed);
        terms.grantee = bytes32(uint256(uint160(person(grantee))));
        terms.segment = keccak256("one segment");
        terms.purposes = 9;
        terms.flags = grantee == HOSPITAL ? _READ | _MEMBERS : _READ;
        terms.expiresAt = type(uint40).max;
        terms.epoch = here.consents.epochOf(terms.patient);
        terms.readingHash = bytes32(seed % DRAFTS);
    }

    function recordOf(Terms memory terms, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(terms.patient, terms.segment, salt));
    }

    /// @dev Deploys, and onboards all but patients and stranger; the emergency roles count from now on.
    function _build(Place storage here) internal {
        address[] memory authorities = new address[](2);
        (authorities[0], authorities[1]) = (address(this), person(AUTHORITY));
        here.providers = new ProviderRegistry(authorities);
        here.consents = new ConsentRegistry(IProviderRegistry(address(here.providers)));
        here.records = new RecordRegistry();
        here.log = new AccessLog(here.consents);
        here.providers.issue(_credential(HOSPITAL, 0x8000, address(0)));
        here.providers.issue(_credential(CLINIC, 0x8000, address(0)));
        here.providers.issue(_credential(REVIEWER, 17, person(CLINIC)));
        _issueEmergency(here, _credential(CLINICIAN, 3, address(0)));
        _issueEmergency(here, _credential(NURSE, 3, person(HOSPITAL)));
        VM.warp(block.timestamp + 1 days);
    }

    function _issueEmergency(Place storage here, IProviderRegistry.Credential memory credential)
        private
    {
        here.providers.issueEmergency(credential);
        VM.prank(person(AUTHORITY));
        here.providers.issueEmergency(credential);
    }

    function _credential(uint256 who, uint16 roles, address organisation)
        private
        pure
        returns (IProviderRegistry.Credential memory)
    {
        return IProviderRegistry.Credential(
            person(who), 0, type(uint40).max, roles, organisation, keccak256("card")
        );
    }
}
