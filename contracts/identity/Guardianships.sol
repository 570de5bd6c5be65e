// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardianship} from "../interfaces/IGuardianship.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Accounts} from "./Accounts.sol";

/// @title Who acts for a ward, and until when?
abstract contract Guardianships is Accounts {
    /// @inheritdoc IGuardianship
    function setGuardian(bytes32 patient, address guardian, uint40 until, address successor)
        external
    {
        _setGuardian(patient, guardian, until, successor, _sender());
    }

    /// @inheritdoc IGuardianship
    function setGuardianBySig(
        bytes32 patient,
        address guardian,
        uint40 until,
        address successor,
        bytes calldata signer,
        bytes calldata signature
    ) external {
        uint256 sequence = _useSequence(patient);
        bytes32 message = TypedData.guardianship(patient, guardian, until, successor, sequence);
        bytes32 who = _signerOf(patient, signer, message, signature);
        _setGuardian(patient, guardian, until, successor, who);
    }

    /// @inheritdoc IGuardianship
    function endGuardianship(bytes32 patient) external {
        _leave(patient, _sender());
    }

    /// @inheritdoc IGuardianship
    function endGuardianshipBySig(bytes32 patient, bytes calldata signer, bytes calldata signature)
        external
    {
        bytes32 message = TypedData.endOfGuardianship(patient, _useSequence(patient));
        _leave(patient, _signerOf(patient, signer, message, signature));
    }

    /// @inheritdoc IGuardianship
    function guardianshipOf(bytes32 patient)
        external
        view
        returns (address guardian, uint40 until, uint16 seq, address successor)
    {
        Guardianship storage g = _guardianships[patient];
        return (g.guardian, g.until, g.seq, g.successor);
    }

    /// @dev Begins a guardianship on an account word that may be written; every grant until now ends. The successor has
    /// to be somebody else than those who hold the ward's keys now.
    function _appoint(
        bytes32 patient,
        uint256 word,
        address guardian,
        uint40 until,
        address successor
    ) internal {
        if (guardian == address(0)) revert GuardianZero(patient);
        if (successor == address(0)) {
            if (!_hasTrustees(patient)) revert SuccessorMissing(patient);
        } else if (
            // Whole addresses are compared, and no times.
            // slither-disable-next-line incorrect-equality
            successor == guardian || uint160(successor) == uint160(word)
                || successor == _nameOf(patient)
        ) {
            revert SuccessorNotNew(patient, successor);
        }
        Guardianship storage g = _guardianships[patient];
        (g.guardian, g.until, g.successor) = (guardian, until, successor);
        if (!_isInOffice(g)) revert GuardianshipOver(patient, until);
        uint16 seq = ++g.seq;
        emit GuardianAppointed(patient, guardian, seq, until, successor);
        _changeEpoch(patient, word | _GUARDED);
    }

    /// @dev Ends the guardianship that is in office, if one is.
    function _endGuardianship(bytes32 patient) internal {
        Guardianship storage g = _guardianships[patient];
        if (!_isInOffice(g)) return;
        g.until = uint40(block.timestamp);
        emit GuardianshipEnded(patient, g.guardian, g.seq);
    }

    /// @dev Whether there is somebody who can name a controller where there is none.
    function _hasTrustees(bytes32 patient) internal view virtual returns (bool);

    /// @dev A guardian in office may hand the office on, for no longer and with the same successor.
    function _setGuardian(
        bytes32 patient,
        address guardian,
        uint40 until,
        address successor,
        bytes32 who
    ) private {
        (uint256 word, uint256 mark) = _accountFor(patient, who);
        if (mark != 0) {
            Guardianship storage g = _guardianships[patient];
            bool narrower = until <= g.until && successor == g.successor;
            // A flag is looked at, and no time.
            // slither-disable-next-line incorrect-equality
            if (uint8(mark >> 8) == 0 || !narrower) revert GuardianInOffice(patient, g.until);
        }
        _appoint(patient, word, guardian, until, successor);
    }

    function _leave(bytes32 patient, bytes32 who) private {
        (, uint256 mark) = _accountFor(patient, who);
        // A flag is looked at, and no time.
        // slither-disable-next-line incorrect-equality
        if (uint8(mark >> 8) == 0) revert NotGuardian(patient, _nameOf(who));
        _endGuardianship(patient);
    }
}
