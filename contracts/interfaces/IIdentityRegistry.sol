// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who acts for this patient?
/// @notice A patient is an identity of 32 bytes: an account's address, left-padded with zeros, or the hash of an
/// ERC-7913 signer (the address of a verifier and behind it a key). It exists without being registered, and until
/// that is changed it is its own controller. As somebody else's controller, a signer without an account is named by
/// the last 20 bytes of its hash.
interface IIdentityRegistry {
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

    /// @notice Makes another account the controller. Grants in force stay in force; what the controller until now
    /// has signed and nobody has delivered is dead.
    /// @param patient The identity; the caller must be its controller.
    /// @param controller Who signs for the identity from now on; not zero.
    function setController(bytes32 patient, address controller) external;

    /// @notice Publishes the key to which others encrypt for the patient.
    /// @dev The key itself stands in the event only; its hash is kept (`encryptionKeyHash`).
    /// @param patient The identity; the caller must be its controller.
    /// @param algorithm Which algorithm the key is for (a HPKE KEM id).
    /// @param publicKey The public key; not empty.
    function setEncryptionKey(bytes32 patient, uint16 algorithm, bytes calldata publicKey) external;

    /// @notice What is stored of an identity; all zero for one that never changed anything.
    /// @param patient The identity.
    /// @return controller Who signs for the identity; zero: the identity itself.
    /// @return epoch The number that every grant in force carries; changing it ends them all.
    /// @return flags Reserved; zero.
    function account(bytes32 patient)
        external
        view
        returns (address controller, uint64 epoch, uint32 flags);

    /// @notice Who signs for the identity now.
    /// @param patient The identity.
    /// @return controller The controller; zero where no account can be meant (the identity is a hash and its own).
    function controllerOf(bytes32 patient) external view returns (address controller);

    /// @notice The epoch in which new grants have to be signed.
    /// @param patient The identity.
    /// @return epoch The epoch; not a counter, and zero until the first change.
    function epochOf(bytes32 patient) external view returns (uint64 epoch);

    /// @notice The hash of the key that the patient published last.
    /// @param patient The identity.
    /// @return keyHash `keccak256(abi.encode(algorithm, publicKey))`; zero where there is none.
    function encryptionKeyHash(bytes32 patient) external view returns (bytes32 keyHash);
}
