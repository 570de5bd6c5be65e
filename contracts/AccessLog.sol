// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessLog} from "./interfaces/IAccessLog.sol";
import {IConsentRegistry, Reason, Terms} from "./interfaces/IConsentRegistry.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Who did?
contract AccessLog is IAccessLog {
    uint16 private constant _READ = 1;

    /// @inheritdoc IAccessLog
    IConsentRegistry public immutable consents;

    mapping(address actor => bytes32) private _heads;

    /// @param registry Where grants are looked up.
    constructor(IConsentRegistry registry) {
        consents = registry;
    }

    /// @inheritdoc IAccessLog
    function request(
        Terms calldata terms,
        bytes32[] calldata recordSalts,
        uint32 purpose,
        bytes32 replyKeyHash,
        bytes32 agent
    ) external returns (bytes32 accessId) {
        if (recordSalts.length == 0) revert NoRecords();
        bytes32 grantId = TypedData.grantId(terms);
        Reason reason = _why(terms, purpose);
        if (reason != Reason.None) revert NotAllowed(grantId, reason);

        _emitTermsUsed(grantId, terms);
        accessId = _heads[msg.sender];
        if (accessId == 0) accessId = _firstHead(msg.sender);
        for (uint256 i = 0; i < recordSalts.length; ++i) {
            bytes32 recordId = _recordIn(terms, recordSalts[i]);
            accessId =
                keccak256(abi.encode(accessId, recordId, grantId, purpose, replyKeyHash, agent));
            emit Requested(msg.sender, recordId, grantId, accessId, purpose, replyKeyHash, agent);
        }
        _heads[msg.sender] = accessId;
    }

    /// @inheritdoc IAccessLog
    function headOf(address actor) external view returns (bytes32 head) {
        head = _heads[actor];
        if (head == 0) head = _firstHead(actor);
    }

    /// @dev `emit TermsUsed(grantId, terms)` with the ten words as they were hashed. That the narrow ones are clean
    /// was checked on their way to the ConsentRegistry; taking them apart once more would cost 500 gas.
    function _emitTermsUsed(bytes32 grantId, Terms calldata terms) private {
        bytes32 signature = TermsUsed.selector;
        assembly ("memory-safe") {
            let words := mload(0x40)
            calldatacopy(words, terms, 0x140)
            log2(words, 0x140, signature, grantId)
        }
    }

    function _firstHead(address actor) private view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), actor));
    }

    /// @dev `consents.why(terms, msg.sender, purpose, READ)` with the ten words as they stand; the registry refuses
    /// unclean ones, so that taking them apart here as well would only cost 800 gas.
    function _why(Terms calldata terms, uint32 purpose) private view returns (Reason reason) {
        address registry = address(consents);
        bytes32 selector = IConsentRegistry.why.selector;
        assembly ("memory-safe") {
            let question := mload(0x40)
            mstore(question, selector)
            calldatacopy(add(question, 0x04), terms, 0x140)
            mstore(add(question, 0x144), caller())
            mstore(add(question, 0x164), purpose)
            mstore(add(question, 0x184), _READ)
            let answered := staticcall(gas(), registry, question, 0x1a4, 0x00, 0x20)
            if iszero(and(answered, gt(returndatasize(), 0x1f))) { revert(0x00, 0x00) }
            reason := mload(0x00)
        }
    }

    /// @dev The id of the record with this salt; refuses one that the terms do not name.
    function _recordIn(Terms calldata terms, bytes32 salt) private pure returns (bytes32 recordId) {
        recordId = keccak256(abi.encode(terms.patient, terms.segment, salt));
        if (terms.record != 0 && terms.record != recordId) revert RecordNotInTerms(recordId);
    }
}
