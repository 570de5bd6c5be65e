// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who broke the glass?
/// @notice Emergency access without a grant: one person with a live EMERGENCY role asks, another one confirms within an
/// hour, access is open for four, and a third, of neither's organisation, reviews it. Each act is public, stands in its
/// actor's chain, and gives a reason as a salted hash, since a code beside a pseudonym would already say something
/// about a person. Whether a patient's segment has this way in at all is hers to say, to the keyholders.
interface IBreakGlass {
    /// @notice What is stored of a break-glass.
    struct Glass {
        address requester; // who asked
        uint40 requestedAt; // in Unix seconds, as all times here
        uint40 confirmedAt; // zero: not yet
        address requesterOrganisation; // when it asked; itself, where it was nobody's member
        address confirmer; // another person
        uint40 reviewedAt; // zero: not yet
        bool justified; // what the review found
        address confirmerOrganisation; // when it confirmed
        address reviewer; // a third
    }

    /// @notice Emitted when somebody asked to break the glass: an entry in its chain.
    /// @param accessId The entry's chained hash, by which it is named: `keccak256(abi.encode(` this event's
    /// signature hash, the link before, patient, segment, reasonHash, replyKeyHash, agent`))`.
    /// @param requester Who asked.
    /// @param patient Whose records.
    /// @param segment Which segment.
    /// @param reasonHash Salted hash of the reason.
    /// @param replyKeyHash keccak256 of the one-time public key to which keyholders answer.
    /// @param agent What the requester says of its own staff: a claim.
    event BreakGlassRequested(
        bytes32 indexed accessId,
        address indexed requester,
        bytes32 indexed patient,
        bytes32 segment,
        bytes32 reasonHash,
        bytes32 replyKeyHash,
        bytes32 agent
    );

    /// @notice Emitted when another person confirmed: an entry in its chain.
    /// @param accessId Which break-glass.
    /// @param requester Who asked.
    /// @param confirmer Who confirmed.
    /// @param openUntil First second in which access is over.
    /// @param link The entry: `keccak256(abi.encode(` this event's signature hash, the link before, accessId`))`.
    event BreakGlassConfirmed(
        bytes32 indexed accessId,
        address indexed requester,
        address indexed confirmer,
        uint40 openUntil,
        bytes32 link
    );

    /// @notice Emitted when a third reviewed: an entry in its chain. Access, if still open, is over.
    /// @param accessId Which break-glass.
    /// @param requester Who asked.
    /// @param reviewer Who reviewed.
    /// @param justified What the review found.
    /// @param noteHash Salted hash of what it has to say; zero: nothing.
    /// @param link The entry: `keccak256(abi.encode(` this event's signature hash, the link before, accessId,
    /// justified, noteHash`))`.
    event BreakGlassReviewed(
        bytes32 indexed accessId,
        address indexed requester,
        address indexed reviewer,
        bool justified,
        bytes32 noteHash,
        bytes32 link
    );

    /// @notice Thrown when a break-glass gives no reason.
    error ReasonEmpty();

    /// @notice Thrown when somebody acts without the role that the step asks for, live now, in a live organisation.
    /// @param who Who.
    /// @param role Which role bit.
    error RoleMissing(address who, uint16 role);

    /// @notice Thrown when a requester has a review that is overdue by more than 72 hours.
    /// @param requester Who.
    /// @param accessId The oldest of them; any eligible reviewer clears it.
    error ReviewOverdue(address requester, bytes32 accessId);

    /// @notice Thrown when nobody asked to break this glass.
    /// @param accessId Which one.
    error GlassUnknown(bytes32 accessId);

    /// @notice Thrown when a break-glass is confirmed later than an hour after it was asked for.
    /// @param accessId Which one.
    error GlassLapsed(bytes32 accessId);

    /// @notice Thrown when a break-glass is confirmed twice.
    /// @param accessId Which one.
    error GlassAlreadyConfirmed(bytes32 accessId);

    /// @notice Thrown when a break-glass is reviewed that nobody confirmed: nothing was opened.
    /// @param accessId Which one.
    error GlassNotConfirmed(bytes32 accessId);

    /// @notice Thrown when a break-glass is reviewed twice.
    /// @param accessId Which one.
    error GlassAlreadyReviewed(bytes32 accessId);

    /// @notice Thrown when a requester confirms itself, or requester or confirmer review themselves.
    /// @param accessId Which break-glass.
    /// @param who Who.
    error GlassInvolved(bytes32 accessId, address who);

    /// @notice Thrown when the reviewer is of an organisation that requester or confirmer are of, or were of then.
    /// @param accessId Which break-glass.
    /// @param organisation Which one.
    error SameOrganisation(bytes32 accessId, address organisation);

    /// @notice Asks to break the glass, in the caller's name; opens nothing before another person confirms.
    /// @param patient Whose records.
    /// @param segment Which segment.
    /// @param reasonHash Salted hash of the reason; not zero, and never of text that could be guessed without a salt.
    /// @param replyKeyHash keccak256 of the one-time public key to which keyholders answer.
    /// @param agent What the caller says of its own staff; zero: nothing.
    /// @return accessId By which it is confirmed and reviewed.
    function requestBreakGlass(
        bytes32 patient,
        bytes32 segment,
        bytes32 reasonHash,
        bytes32 replyKeyHash,
        bytes32 agent
    ) external returns (bytes32 accessId);

    /// @notice Confirms what another person asked for within the last hour; both roles must be live.
    /// @param accessId Which break-glass.
    function confirmBreakGlass(bytes32 accessId) external;

    /// @notice Reviews a confirmed break-glass, once, and ends it if it is still open. The caller needs the REVIEWER
    /// role, is neither requester nor confirmer, and of no organisation that either is of, or was of then.
    /// @param accessId Which break-glass.
    /// @param justified What the review found.
    /// @param noteHash Salted hash of what the caller has to say; zero: nothing.
    function reviewBreakGlass(bytes32 accessId, bool justified, bytes32 noteHash) external;

    /// @notice Whether keyholders may answer a break-glass now: confirmed less than four hours ago, not reviewed, and
    /// the requester's EMERGENCY role still live.
    /// @param accessId Which one.
    /// @return yes True where they may.
    function isOpen(bytes32 accessId) external view returns (bool yes);

    /// @notice What is stored of a break-glass; all zero for one that nobody asked for.
    /// @param accessId Which one.
    /// @return glass Who and when. What was asked for stands in the event.
    function glassOf(bytes32 accessId) external view returns (Glass memory glass);

    /// @notice What keeps a requester from its next break-glass.
    /// @param requester Who.
    /// @return accessId The oldest one whose review is overdue by more than 72 hours; zero: nothing.
    function overdueReview(address requester) external view returns (bytes32 accessId);
}
