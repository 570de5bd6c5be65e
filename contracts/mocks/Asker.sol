// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry, Terms} from "../interfaces/IConsentRegistry.sol";

/// @title Many questions in one call
contract Asker {
    error Unanswered(uint256 index);

    /// @notice Asks each contract its question, all of them at one block.
    /// @return words Each answer; of one that is longer than a word the hash.
    function ask(address[] calldata whom, bytes[] calldata questions)
        external
        view
        returns (bytes32[] memory words)
    {
        words = new bytes32[](questions.length);
        for (uint256 i = 0; i < questions.length; ++i) {
            (bool answered, bytes memory answer) = whom[i].staticcall(questions[i]);
            if (!answered || answer.length < 32) revert Unanswered(i);
            words[i] = answer.length == 32 ? bytes32(answer) : keccak256(answer);
        }
    }

    /// @notice Asks whether each of these terms allows each actor each purpose under each flag, in that order.
    /// @return said A byte each: the reason, and 0x80 where it is allowed.
    function uses(
        IConsentRegistry consents,
        Terms[] calldata terms,
        address[] calldata actors,
        uint32[] calldata purposes,
        uint16[] calldata flags
    ) external view returns (bytes memory said) {
        for (uint256 t = 0; t < terms.length; ++t) {
            for (uint256 a = 0; a < actors.length; ++a) {
                said = bytes.concat(said, _uses(consents, terms[t], actors[a], purposes, flags));
            }
        }
    }

    function _uses(
        IConsentRegistry consents,
        Terms calldata terms,
        address actor,
        uint32[] calldata purposes,
        uint16[] calldata flags
    ) private view returns (bytes memory said) {
        said = new bytes(purposes.length * flags.length);
        for (uint256 i = 0; i < said.length; ++i) {
            (uint32 purpose, uint16 flag) = (purposes[i / flags.length], flags[i % flags.length]);
            uint8 reason = uint8(consents.why(terms, actor, purpose, flag));
            bool allowed = consents.isAllowed(terms, actor, purpose, flag);
            said[i] = bytes1(allowed ? reason | 0x80 : reason);
        }
    }
}
