// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardianship} from "./IGuardianship.sol";
import {IRecovery} from "./IRecovery.sol";

/// @title Who acts for this patient?
/// @notice A patient is an identity of 32 bytes: an account's address, left-padded with zeros, or the hash of an
/// ERC-7913 signer (the address of a verifier and behind it a key). It exists without being registered, and until
/// that is changed it is its own controller. As somebody else's controller, a signer without an account is named by
/// the last 20 bytes of its hash.
interface IIdentityRegistry is IGuardianship, IRecovery {
    /// @notice Emitted when somebody else, or the identity itself again, became the controller.
    /// @param patient The identity.
    /// @param controller Who signs for the identity from now on.
    /// @param by The account that made the change.
    event ControllerChanged(bytes32 indexed patient, address controller, address by);

    /// @notice Emitted when a patient published an encryption key; a later one replaces it.
    /// @param patient The identity.
    /// @param algorithm Which algorithm the key is for (a HPKE KEM id, such as 0x647a for X-Wing).
    /// @param publicKey The public key, in that algorithm's own encoding.
    event EncryptionKeySet(bytes32 indexed patient, uint16 algorithm, bytes publicKey);

    /// @notice Emitted when all of a patient's grants ended at once.
    /// @param patient The identity.
    /// @param epoch The new epoch; grants of any other are over.
    event AllConsentsRevoked(bytes32 indexed patient, uint64 epoch);

    /// @notice Emitted when a patient opted out of secondary use, or back in.
    /// @param patient The identity.
    /// @param purposes What no grant allows from now on (bits of purposes.csv); zero: the patient opts out of nothing.
    event OptOutChanged(bytes32 indexed patient, uint32 purposes);

    /// @notice Thrown when somebody other than the patient's controller tries to act for the patient.
    /// @param patient The identity.
    /// @param who Who tried.
    error NotController(bytes32 patient, address who);

    /// @notice Thrown when nobody (the zero address) should become the controller.
    /// @param patient The identity.
    error ControllerZero(bytes32 patient);

    /// @notice Thrown when an encryption key without bytes should be published.
    /// @param patient The identity.
    error EncryptionKeyEmpty(bytes32 patient);

    /// @notice Thrown when a patient should opt out of a use that is not secondary: TREAT, PATRQT or ETREAT.
    /// @param patient The identity.
    /// @param purposes The purposes that were given.
    error PurposeNotSecondary(bytes32 patient, uint32 purposes);

    /// @notice Thrown when a signature is not the signer's over this message, contract and chain, or the message
    /// carries another sequence number or epoch than that of now.
    /// @param patient For whom it was delivered.
    /// @param signer Who should have signed: an address, or the last 20 bytes of an ERC-7913 signer's hash.
    error SignatureInvalid(bytes32 patient, address signer);

    /// @notice Makes another account the controller. Grants in force stay in force; what the controller until now
    /// has signed and nobody has delivered is dead.
    /// @param patient The identity; the caller must be its controller.
    /// @param controller Who signs for the identity from now on; not zero.
    function setController(bytes32 patient, address controller) external;

    /// @notice Delivers a change of controller that the controller until now signed; anybody may.
    /// @param patient The identity.
    /// @param controller Who signs for the identity from now on; not zero.
    /// @param signer Who signed: 20 bytes of an address, or an ERC-7913 signer.
    /// @param signature Over `SetController(bytes32 patient,address controller,uint256 sequence)` in the domain
    /// "Consentry Control", with the patient's sequence number.
    function setControllerBySig(
        bytes32 patient,
        address controller,
        bytes calldata signer,
        bytes calldata signature
    ) external;

    /// @notice Publishes the key to which others encrypt for the patient.
    /// @dev The key itself stands in the event only; its hash is kept (`encryptionKeyHash`).
    /// @param patient The identity; the caller must be its controller.
    /// @param algorithm Which algorithm the key is for (a HPKE KEM id).
    /// @param publicKey The public key; not empty.
    function setEncryptionKey(bytes32 patient, uint16 algorithm, bytes calldata publicKey) external;

    /// @notice Delivers an encryption key that the patient's controller signed; anybody may.
    /// @param patient The identity.
    /// @param algorithm Which algorithm the key is for (a HPKE KEM id).
    /// @param publicKey The public key; not empty.
    /// @param signer Who signed: 20 bytes of an address, or an ERC-7913 signer.
    /// @param signature Over `SetEncryptionKey(bytes32 patient,uint16 algorithm,bytes publicKey,uint256 sequence)` in
    /// the domain "Consentry Control", with the patient's sequence number.
    function setEncryptionKeyBySig(
        bytes32 patient,
        uint16 algorithm,
        bytes calldata publicKey,
        bytes calldata signer,
        bytes calldata signature
    ) external;

    /// @notice Says which secondary uses no grant of the patient's allows, whatever its terms say, until the patient
    /// says otherwise. Nothing ends: opting back in gives the grants their purposes back.
    /// @param patient The identity; the caller must be its controller.
    /// @param purposes All purposes to opt out of, as bits of purposes.csv: any but TREAT, PATRQT and ETREAT. Zero: none.
    function setOptOut(bytes32 patient, uint32 purposes) external;

    /// @notice Delivers an opt-out that the patient's controller signed; anybody may.
    /// @param patient The identity.
    /// @param purposes All purposes to opt out of; as in `setOptOut`.
    /// @param signer Who signed: 20 bytes of an address, or an ERC-7913 signer.
    /// @param signature Over `SetOptOut(bytes32 patient,uint32 purposes,uint256 sequence)` in the domain "Consentry
    /// Control", with the patient's sequence number.
    function setOptOutBySig(
        bytes32 patient,
        uint32 purposes,
        bytes calldata signer,
        bytes calldata signature
    ) external;

    /// @notice What is stored of an identity; all zero for one that never changed anything.
    /// @param patient The identity.
    /// @return controller Who signs for the identity; zero: the identity itself. After a guardianship see `controllerOf`.
    /// @return epoch The number that every grant in force carries; changing it ends them all.
    /// @return flags What the patient opted out of, as bits of purposes.csv; bit 0: there is or was a guardianship.
    function account(bytes32 patient)
        external
        view
        returns (address controller, uint64 epoch, uint32 flags);

    /// @notice Who signs for the identity now.
    /// @param patient The identity.
    /// @return controller The controller; zero where no account can be meant (the identity is a hash and its own, or
    /// a guardianship is over that had no successor).
    function controllerOf(bytes32 patient) external view returns (address controller);

    /// @notice The epoch in which new grants have to be signed.
    /// @param patient The identity.
    /// @return epoch The epoch; not a counter, and zero until the first change.
    function epochOf(bytes32 patient) external view returns (uint64 epoch);

    /// @notice The hash of the key that the patient published last.
    /// @param patient The identity.
    /// @return keyHash `keccak256(abi.encode(algorithm, publicKey))`; zero where there is none.
    function encryptionKeyHash(bytes32 patient) external view returns (bytes32 keyHash);

    /// @notice The number that the next signed change of the identity has to carry. Delivering one uses it up, and
    /// with it every other message that was signed with the same number.
    /// @param patient The identity.
    /// @return sequence How many signed changes were delivered.
    function sequenceOf(bytes32 patient) external view returns (uint256 sequence);

    /// @notice The EIP-712 domain of control messages: "Consentry Control", "1", this chain, this contract.
    /// @return separator Its hash, for the chain id of now.
    function controlDomainSeparator() external view returns (bytes32 separator);
}
