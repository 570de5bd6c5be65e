// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry, Terms} from "../interfaces/IConsentRegistry.sol";

/// @title A controller that knows its next epoch
/// @notice Within one block the next epoch can be computed. This account puts terms of the next epoch in force in
/// the old one, and only then changes the epoch: the one way to terms whose epoch is the patient's while the epoch
/// at delivery is not.
contract EpochSeer {
    /// @notice Grants the terms, with the next epoch filled in, and then makes that epoch the patient's.
    /// @return epoch The epoch of the terms.
    function grantAhead(IConsentRegistry consents, Terms memory terms)
        external
        returns (uint64 epoch)
    {
        (address controller, uint64 old, uint32 flags) = consents.account(terms.patient);
        uint256 word = uint160(controller) | uint256(old) << 160 | uint256(flags) << 224;
        bytes32 seed = keccak256(abi.encode(blockhash(block.number - 1), terms.patient, word));
        epoch = uint64(uint256(seed));
        terms.epoch = epoch;
        consents.grant(terms.patient, consents.grantIdOf(terms));
        consents.revokeAll(terms.patient);
    }
}
