// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BreakGlass} from "./BreakGlass.sol";
import {IAccessLog} from "./interfaces/IAccessLog.sol";
import {IConsentRegistry, Reason, Terms} from "./interfaces/IConsentRegistry.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Who did?
contract AccessLog is IAccessLog, BreakGlass {
    uint16 private constant _READ = 1;

    /// @inheritdoc IAccessLog
    IConsentRegistry public immutable consents;

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
        bytes32 grantId = TypedData.grantId(terms);
        return _request(grantId, terms, recordSalts, purpose, replyKeyHash, agent);
    }

    /// @inheritdoc IAccessLog
    function requestWithSignature(
        Terms calldata terms,
        bytes32[] calldata recordSalts,
        uint32 purpose,
        bytes32 replyKeyHash,
        bytes32 agent,
        bytes calldata signer,
        bytes calldata signature
    ) external returns (bytes32 accessId) {
        bytes32 grantId = TypedData.grantId(terms);
        // The registry asks whoever signed by staticcall only, so that nobody can come back in from there.
        // slither-disable-next-line reentrancy-benign,reentrancy-events
        consents.grantBySig(terms.patient, signer, grantId, signature);
        return _request(grantId, terms, recordSalts, purpose, replyKeyHash, agent);
    }

    /// @inheritdoc IAccessLog
    function headOf(address actor) external view returns (bytes32 head) {
        return _headOf(actor);
    }

    function _request(
        bytes32 grantId,
        Terms calldata terms,
        bytes32[] calldata recordSalts,
        uint32 purpose,
        bytes32 replyKeyHash,
        bytes32 agent
    ) private returns (bytes32 accessId) {
        if (recordSalts.length == 0) revert NoRecords();
        Reason reason = _why(terms, purpose);
        if (reason != Reason.None) revert NotAllowed(grantId, reason);

        _emitTermsUsed(grantId, terms);
        accessId = _headOf(msg.sender);
        for (uint256 i = 0; i < recordSalts.length; ++i) {
            bytes32 recordId = _recordIn(terms, recordSalts[i]);
            accessId =
                keccak256(abi.encode(accessId, recordId, grantId, purpose, replyKeyHash, agent));
            emit Requested(msg.sender, recordId, grantId, accessId, purpose, replyKeyHash, agent);
        }
        _append(accessId);
    }

    /// @dev `emit TermsUsed(grantId, terms)` with the ten words as they were hashed. That the narrow ones are clean
    /// was checked on their way to the ConsentRegistry; taking them apart once more would cost 500 gas.
    function _emitTermsUsed(bytes32 grantId, Terms calldata terms) private {
        bytes32 signature = TermsUsed.selector;
        // The words go on as they came, see above.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let words := mload(0x40)
            calldatacopy(words, terms, 0x140)
            log2(words, 0x140, signature, grantId)
        }
    }

    function _providers() internal view override returns (IProviderRegistry) {
        return consents.providers();
    }

    /// @dev `consents.why(terms, msg.sender, purpose, READ)` with the ten words as they stand; the registry refuses
    /// unclean ones, so that taking them apart here as well would only cost 800 gas.
    function _why(Terms calldata terms, uint32 purpose) private view returns (Reason reason) {
        address registry = address(consents);
        bytes32 selector = IConsentRegistry.why.selector;
        // The words go on as they came, see above.
        // slither-disable-next-line assembly
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
