// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who acts for a ward, and until when?
/// @notice A guardian acts for a patient, beside the controller, until a date. On that day the guardian's power ends,
/// with it every grant that came into force in the guardianship, and with it the controller's: whoever made the ward's
/// first key knows it, so that the controller is the successor from then on, a key that the ward has made. Where no
/// successor is named, trustees name a controller. Nobody has to do anything for it on the day.
///
/// While a guardian is in office nobody changes controller, guardian, successor or trustees, but for a guardian who
/// hands the office on or leaves it, and for the trustees.
interface IGuardianship {
    /// @notice Emitted when a guardianship began. All earlier grants ended (`AllConsentsRevoked`), and an earlier
    /// guardianship with them.
    /// @param patient The identity.
    /// @param guardian Who is in office.
    /// @param seq The number of the guardianship; grants carry it.
    /// @param until The first second after it, in Unix seconds.
    /// @param successor Who is controller from then on; zero: whom the trustees name.
    event GuardianAppointed(
        bytes32 indexed patient,
        address indexed guardian,
        uint16 seq,
        uint40 until,
        address successor
    );

    /// @notice Emitted when a guardianship ended before its date.
    /// @param patient The identity.
    /// @param guardian Who was in office.
    /// @param seq The number of the guardianship.
    event GuardianshipEnded(bytes32 indexed patient, address indexed guardian, uint16 seq);

    /// @notice Thrown when something is tried that cannot be done while a guardian is in office.
    /// @param patient The identity.
    /// @param until When the guardianship ends.
    error GuardianInOffice(bytes32 patient, uint40 until);

    /// @notice Thrown when somebody other than the guardian in office would end a guardianship.
    /// @param patient The identity.
    /// @param who Who tried.
    error NotGuardian(bytes32 patient, address who);

    /// @notice Thrown when nobody (the zero address) should become the guardian.
    /// @param patient The identity.
    error GuardianZero(bytes32 patient);

    /// @notice Thrown when a guardianship should begin that is over already.
    /// @param patient The identity.
    /// @param until The date that was given.
    error GuardianshipOver(bytes32 patient, uint40 until);

    /// @notice Thrown when nobody could act for the patient afterwards: no successor is named, and there are no trustees.
    /// @param patient The identity.
    error SuccessorMissing(bytes32 patient);

    /// @notice Thrown when the successor is the guardian, the controller or the identity's own key: these keys exist
    /// already, and who made them knows them.
    /// @param patient The identity.
    /// @param successor Who was given.
    error SuccessorNotNew(bytes32 patient, address successor);

    /// @notice Appoints a guardian. All grants until now end, and a trustee change that waits will not come.
    /// @param patient The identity; the caller must be its controller, or a guardian in office that hands the office on
    /// (for no longer, and with the same successor).
    /// @param guardian Who acts for the patient, beside the controller; not zero.
    /// @param until The first second after the guardianship, in Unix seconds.
    /// @param successor Who is controller from then on: a key of the ward's own, new. Zero: whom the trustees name.
    function setGuardian(bytes32 patient, address guardian, uint40 until, address successor)
        external;

    /// @notice Delivers the appointment of a guardian that the controller, or a guardian that hands the office on,
    /// signed; anybody may.
    /// @param patient The identity.
    /// @param guardian Who acts for the patient, beside the controller; not zero.
    /// @param until The first second after the guardianship, in Unix seconds.
    /// @param successor Who is controller from then on; as in `setGuardian`.
    /// @param signer Who signed: 20 bytes of an address, or an ERC-7913 signer.
    /// @param signature Over `SetGuardian(bytes32 patient,address guardian,uint40 until,address successor,`
    /// `uint256 sequence)` in the domain "Consentry Control", with the patient's sequence number.
    function setGuardianBySig(
        bytes32 patient,
        address guardian,
        uint40 until,
        address successor,
        bytes calldata signer,
        bytes calldata signature
    ) external;

    /// @notice Leaves the office of guardian. All that would have come on the guardianship's date comes now.
    /// @param patient The identity; the caller must be the guardian in office.
    function endGuardianship(bytes32 patient) external;

    /// @notice Delivers the word by which a guardian in office leaves; anybody may.
    /// @param patient The identity.
    /// @param signer Who signed, the guardian: 20 bytes of an address, or an ERC-7913 signer.
    /// @param signature Over `EndGuardianship(bytes32 patient,uint256 sequence)` in the domain "Consentry Control", with
    /// the patient's sequence number.
    function endGuardianshipBySig(bytes32 patient, bytes calldata signer, bytes calldata signature)
        external;

    /// @notice The last guardianship; all zero where there never was one.
    /// @param patient The identity.
    /// @return guardian Who is or was in office.
    /// @return until The first second after it: in office is who stands here before that.
    /// @return seq Its number.
    /// @return successor Who is controller after it; zero: whom the trustees name.
    function guardianshipOf(bytes32 patient)
        external
        view
        returns (address guardian, uint40 until, uint16 seq, address successor);
}
