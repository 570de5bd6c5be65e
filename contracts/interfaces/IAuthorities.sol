// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who issues credentials?
/// @notice Authorities named at deployment, and whom they let in since. Nobody owns the list: each change takes two
/// authorities, is public for three days before it counts, and leaves at least two.
interface IAuthorities {
    /// @notice Emitted when one authority wants another account to be one; nothing changes yet.
    /// @param authority Whom it wants.
    /// @param proposer Which authority does.
    event AuthorityProposed(address indexed authority, address indexed proposer);

    /// @notice Emitted when a second authority agreed to a new one.
    /// @param authority The new authority.
    /// @param proposer Who proposed it.
    /// @param seconder Who agreed.
    /// @param from First second in which it is one, in Unix seconds.
    event AuthorityAdded(
        address indexed authority, address indexed proposer, address indexed seconder, uint40 from
    );

    /// @notice Emitted when one authority wants another one, or itself, out; nothing changes yet.
    /// @param authority Whom it wants out.
    /// @param proposer Which authority does.
    event AuthorityRetirementProposed(address indexed authority, address indexed proposer);

    /// @notice Emitted when a second authority agreed that one goes. What that one issued stays as it is.
    /// @param authority Who goes.
    /// @param proposer Who proposed it.
    /// @param seconder Who agreed.
    /// @param until First second in which it is no authority, in Unix seconds.
    event AuthorityRetired(
        address indexed authority, address indexed proposer, address indexed seconder, uint40 until
    );

    /// @notice Thrown when no authority, or more than four, are named at deployment.
    /// @param count How many were named.
    error AuthoritiesCount(uint256 count);

    /// @notice Thrown when an authority is the zero address, named twice at deployment, or added while it is one,
    /// is about to be one, or has not left yet.
    /// @param authority Which one.
    error AuthorityInvalid(address authority);

    /// @notice Thrown when somebody other than an authority acts as one, or should be retired as one.
    /// @param who Who.
    error NotAuthority(address who);

    /// @notice Thrown when an authority would leave fewer than two behind: one alone could let nobody in.
    /// @param authority Which one.
    error AuthorityNeeded(address authority);

    /// @notice Thrown when an authority proposes again what waits for another one.
    /// @param authority Who proposed it.
    error SecondAuthorityNeeded(address authority);

    /// @notice Lets an account in. One authority proposes; within seven days another one calls the same and so
    /// agrees; three days later it is an authority. A proposal counts only while its proposer is one.
    /// @param who The account; the caller must be an authority.
    function addAuthority(address who) external;

    /// @notice Lets an authority go, in the same two steps; three days later it is none. It may be one of the two
    /// itself. Its credentials stay; any other authority may suspend or retire them.
    /// @param who The authority; the caller must be an authority.
    function retireAuthority(address who) external;

    /// @notice Who issues credentials here now.
    /// @return list The authorities: those of the deployment first.
    function authorities() external view returns (address[] memory list);

    /// @notice Whether an account issues credentials here now.
    /// @param who The account.
    /// @return yes True for an authority.
    function isAuthority(address who) external view returns (bool yes);
}
