// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What trustees bring about: a controller, and a guardian if there is to be one.
struct Plan {
    address controller; // who signs for the identity from then on; not zero
    address guardian; // who is guardian from then on; zero: nobody
    uint40 until; // the first second after the guardianship
    address successor; // who is controller after it; zero: whom the trustees name
}

/// @title Who helps when a key is lost, stolen or outgrown?
/// @notice A patient names trustees. Enough of them together (the threshold) begin a recovery; after the delay anybody
/// carries it out, and the identity has another controller and a new epoch: nothing that the old one granted or signed
/// counts any more. Until then the controller, or a guardian in office, can veto it once; all trustees together
/// override a veto. A change of trustees waits for the same delay, and a recovery that begins meanwhile stops it: who
/// stole a key cannot get rid of the trustees before they can act.
interface IRecovery {
    /// @notice Emitted when trustees are to be changed.
    /// @param patient The identity.
    /// @param trustees Who are to be trustees; nobody: there are to be none.
    /// @param threshold How many of them together are to begin a recovery.
    /// @param delay For how long recoveries and later changes are to wait, in seconds.
    /// @param readyAt From when on the change can be confirmed, in Unix seconds.
    event TrusteesProposed(
        bytes32 indexed patient, address[] trustees, uint8 threshold, uint40 delay, uint40 readyAt
    );

    /// @notice Emitted when trustees came into office; those before them, and what they began, are out of it.
    /// @param patient The identity.
    /// @param trustees Who are trustees; nobody: there are none.
    /// @param threshold How many of them together begin a recovery.
    /// @param delay For how long recoveries and changes of trustees wait, in seconds.
    event TrusteesNamed(bytes32 indexed patient, address[] trustees, uint8 threshold, uint40 delay);

    /// @notice Emitted when a trustee supported a recovery.
    /// @param patient The identity.
    /// @param recovery The recovery's id.
    /// @param trustee Who supports it.
    /// @param plan What is to come about.
    event RecoverySupported(
        bytes32 indexed patient, bytes32 indexed recovery, address indexed trustee, Plan plan
    );

    /// @notice Emitted when enough trustees supported a recovery. A change of trustees that waited is dropped.
    /// @param patient The identity.
    /// @param recovery The recovery's id.
    /// @param readyAt From when on it can be carried out, in Unix seconds.
    event RecoveryBegun(bytes32 indexed patient, bytes32 indexed recovery, uint40 readyAt);

    /// @notice Emitted when a recovery was vetoed: from now on it needs all trustees.
    /// @param patient The identity.
    /// @param recovery The recovery's id.
    /// @param by The controller or guardian who vetoed it.
    event RecoveryVetoed(bytes32 indexed patient, bytes32 indexed recovery, address by);

    /// @notice Emitted when a recovery was carried out. All grants ended (`AllConsentsRevoked`), and all other
    /// recoveries.
    /// @param patient The identity.
    /// @param recovery The recovery's id.
    /// @param controller Who signs for the identity from now on.
    event IdentityRecovered(bytes32 indexed patient, bytes32 indexed recovery, address controller);

    /// @notice Thrown when trustees cannot be as they were given: two to sixteen, ascending by address and so each once;
    /// a threshold of at least two and at most all; a delay of a day to 90 days. Or none at all, with zeros.
    /// @param patient The identity.
    error TrusteesInvalid(bytes32 patient);

    /// @notice Thrown when a change of trustees is to be confirmed that nobody proposed, that was dropped or that has
    /// still to wait.
    /// @param patient The identity.
    /// @param readyAt From when on it can be confirmed; zero: there is none.
    error TrusteesNotReady(bytes32 patient, uint40 readyAt);

    /// @notice Thrown when somebody who is no trustee of the patient's supports a recovery.
    /// @param patient The identity.
    /// @param who Who tried.
    error NotTrustee(bytes32 patient, address who);

    /// @notice Thrown when a recovery is vetoed or carried out that too few support, or carried out too early.
    /// @param patient The identity.
    /// @param recovery The recovery's id.
    /// @param readyAt From when on it can be carried out; zero: it has not begun.
    error RecoveryNotReady(bytes32 patient, bytes32 recovery, uint40 readyAt);

    /// @notice Thrown when a recovery is carried out against a veto that not all trustees override.
    /// @param patient The identity.
    /// @param recovery The recovery's id.
    error VetoStands(bytes32 patient, bytes32 recovery);

    /// @notice Names trustees: at once where there are none, and where this is the first word after a guardianship (those
    /// whom somebody else named for the ward are out, with all they began); otherwise after the delay. A change that
    /// waits is replaced.
    /// @param patient The identity; the caller must be its controller, and no guardian in office.
    /// @param trustees Two to sixteen, ascending by address; an ERC-7913 signer by the last 20 bytes of its hash. None:
    /// there are to be none.
    /// @param threshold How many of them together begin a recovery: at least two.
    /// @param delay For how long recoveries and later changes wait: a day to 90 days, in seconds.
    function setTrustees(
        bytes32 patient,
        address[] calldata trustees,
        uint8 threshold,
        uint40 delay
    ) external;

    /// @notice Delivers trustees that the controller signed; anybody may.
    /// @param patient The identity.
    /// @param trustees As in `setTrustees`.
    /// @param threshold As in `setTrustees`.
    /// @param delay As in `setTrustees`.
    /// @param signer Who signed: 20 bytes of an address, or an ERC-7913 signer.
    /// @param signature Over `SetTrustees(bytes32 patient,address[] trustees,uint8 threshold,uint40 delay,`
    /// `uint256 sequence)` in the domain "Consentry Control", with the patient's sequence number.
    function setTrusteesBySig(
        bytes32 patient,
        address[] calldata trustees,
        uint8 threshold,
        uint40 delay,
        bytes calldata signer,
        bytes calldata signature
    ) external;

    /// @notice Puts trustees in office who have waited for the delay; anybody may.
    /// @param patient The identity; no guardian in office, and none since the change was proposed.
    function confirmTrustees(bytes32 patient) external;

    /// @notice Supports a recovery. With enough support it begins: from then on the delay counts, and a change of
    /// trustees that waits is dropped. To support twice changes nothing.
    /// @param patient The identity; the caller must be one of its trustees.
    /// @param plan What is to come about.
    function supportRecovery(bytes32 patient, Plan calldata plan) external;

    /// @notice Delivers the support that a trustee signed; anybody may.
    /// @param patient The identity.
    /// @param plan What is to come about.
    /// @param signer Who signed, a trustee: 20 bytes of an address, or an ERC-7913 signer.
    /// @param signature Over `SupportRecovery(bytes32 patient,address controller,address guardian,uint40 until,`
    /// `address successor,uint64 round)` in the domain "Consentry Control", with the patient's round of now.
    function supportRecoveryBySig(
        bytes32 patient,
        Plan calldata plan,
        bytes calldata signer,
        bytes calldata signature
    ) external;

    /// @notice Vetoes a recovery that has begun: it then needs all trustees. To veto twice changes nothing.
    /// @param patient The identity; the caller must be its controller, or the guardian in office.
    /// @param recovery The recovery's id.
    function vetoRecovery(bytes32 patient, bytes32 recovery) external;

    /// @notice Delivers the veto that the controller, or the guardian in office, signed; anybody may.
    /// @param patient The identity.
    /// @param recovery The recovery's id.
    /// @param signer Who signed: 20 bytes of an address, or an ERC-7913 signer.
    /// @param signature Over `VetoRecovery(bytes32 patient,bytes32 recovery)` in the domain "Consentry Control".
    function vetoRecoveryBySig(
        bytes32 patient,
        bytes32 recovery,
        bytes calldata signer,
        bytes calldata signature
    ) external;

    /// @notice Carries out a recovery whose delay is over and that no veto stops; anybody may.
    /// @param patient The identity.
    /// @param plan What is to come about.
    function executeRecovery(bytes32 patient, Plan calldata plan) external;

    /// @notice Who are trustees.
    /// @param patient The identity.
    /// @return trustees Who they are; nobody: there are none.
    /// @return threshold How many of them together begin a recovery.
    /// @return delay For how long recoveries and changes of trustees wait, in seconds.
    /// @return round The number that every recovery of theirs carries; the next trustees and every recovery that was
    /// carried out raise it.
    function trusteesOf(bytes32 patient)
        external
        view
        returns (address[] memory trustees, uint8 threshold, uint40 delay, uint64 round);

    /// @notice Who are to be trustees.
    /// @param patient The identity.
    /// @return trustees Who they are to be.
    /// @return threshold How many of them together are to begin a recovery.
    /// @return delay For how long recoveries and later changes are to wait, in seconds.
    /// @return readyAt From when on the change can be confirmed, in Unix seconds; zero: no change waits.
    function proposedTrusteesOf(bytes32 patient)
        external
        view
        returns (address[] memory trustees, uint8 threshold, uint40 delay, uint40 readyAt);

    /// @notice How a recovery stands, in the round of now.
    /// @param patient The identity.
    /// @param plan What is to come about.
    /// @return recovery Its id: the struct hash that trustees sign.
    /// @return support How many trustees support it.
    /// @return readyAt From when on it can be carried out, in Unix seconds; zero: it has not begun.
    /// @return vetoed Whether it needs all trustees.
    function recoveryOf(bytes32 patient, Plan calldata plan)
        external
        view
        returns (bytes32 recovery, uint256 support, uint40 readyAt, bool vetoed);
}
