// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Terms} from "../interfaces/IConsentRegistry.sol";
import {Plan} from "../interfaces/IRecovery.sol";

/// @title What is signed (EIP-712)
library TypedData {
    bytes32 private constant _DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant _TERMS_TYPEHASH = keccak256(
        "Terms(bytes32 patient,bytes32 grantee,bytes32 segment,bytes32 record,uint32 purposes,uint16 flags,"
        "uint40 notBefore,uint40 expiresAt,uint64 epoch,Reading reading)"
        "Reading(string sentence,bytes32 policy,bytes32 salt)"
    );
    bytes32 private constant _REVOKE_TYPEHASH =
        keccak256("Revoke(bytes32 patient,bytes32 grantId)");
    bytes32 private constant _REVOKE_ALL_TYPEHASH =
        keccak256("RevokeAll(bytes32 patient,uint64 epoch)");
    bytes32 private constant _SET_CONTROLLER_TYPEHASH =
        keccak256("SetController(bytes32 patient,address controller,uint256 sequence)");
    bytes32 private constant _SET_ENCRYPTION_KEY_TYPEHASH = keccak256(
        "SetEncryptionKey(bytes32 patient,uint16 algorithm,bytes publicKey,uint256 sequence)"
    );
    bytes32 private constant _SET_OPT_OUT_TYPEHASH =
        keccak256("SetOptOut(bytes32 patient,uint32 purposes,uint256 sequence)");

    bytes32 private constant _SET_GUARDIAN_TYPEHASH = keccak256(
        "SetGuardian(bytes32 patient,address guardian,uint40 until,address successor,uint256 sequence)"
    );
    bytes32 private constant _END_GUARDIANSHIP_TYPEHASH =
        keccak256("EndGuardianship(bytes32 patient,uint256 sequence)");
    bytes32 private constant _SET_TRUSTEES_TYPEHASH = keccak256(
        "SetTrustees(bytes32 patient,address[] trustees,uint8 threshold,uint40 delay,uint256 sequence)"
    );
    bytes32 private constant _SUPPORT_RECOVERY_TYPEHASH = keccak256(
        "SupportRecovery(bytes32 patient,address controller,address guardian,uint40 until,"
        "address successor,uint64 round)"
    );
    bytes32 private constant _VETO_RECOVERY_TYPEHASH =
        keccak256("VetoRecovery(bytes32 patient,bytes32 recovery)");

    /// @notice The domain separator of the calling contract, on this chain, for a name.
    function domain(string memory name) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                _DOMAIN_TYPEHASH,
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                address(this)
            )
        );
    }

    /// @notice What a key signs: a message in a domain.
    function digest(bytes32 separator, bytes32 message) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator, message));
    }

    /// @notice The message of a grant, which is its id.
    /// @dev The ten words of the terms are hashed as they stand in calldata. Solidity checks the narrow ones where
    /// they are read; this function reads none.
    function grantId(Terms calldata terms) internal pure returns (bytes32 id) {
        bytes32 typeHash = _TERMS_TYPEHASH;
        // The words are hashed as they came, see above.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typeHash)
            calldatacopy(add(words, 0x20), terms, 0x140)
            id := keccak256(words, 0x160)
        }
    }

    /// @notice The message of a revocation.
    function revocation(bytes32 patient, bytes32 id) internal pure returns (bytes32) {
        return keccak256(abi.encode(_REVOKE_TYPEHASH, patient, id));
    }

    /// @notice The message that ends all grants of an epoch.
    function revocationOfAll(bytes32 patient, uint64 epoch) internal pure returns (bytes32) {
        return keccak256(abi.encode(_REVOKE_ALL_TYPEHASH, patient, epoch));
    }

    /// @notice The message that names a controller.
    function newController(bytes32 patient, address controller, uint256 sequence)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(_SET_CONTROLLER_TYPEHASH, patient, controller, sequence));
    }

    /// @notice The message that publishes an encryption key.
    function encryptionKey(
        bytes32 patient,
        uint16 algorithm,
        bytes calldata publicKey,
        uint256 sequence
    ) internal pure returns (bytes32) {
        bytes32 key = keccak256(publicKey);
        return
            keccak256(abi.encode(_SET_ENCRYPTION_KEY_TYPEHASH, patient, algorithm, key, sequence));
    }

    /// @notice The message that says what a patient opts out of.
    function optOut(bytes32 patient, uint32 purposes, uint256 sequence)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(_SET_OPT_OUT_TYPEHASH, patient, purposes, sequence));
    }

    /// @notice The message that appoints a guardian.
    function guardianship(
        bytes32 patient,
        address guardian,
        uint40 until,
        address successor,
        uint256 sequence
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(_SET_GUARDIAN_TYPEHASH, patient, guardian, until, successor, sequence)
        );
    }

    /// @notice The message by which a guardian leaves.
    function endOfGuardianship(bytes32 patient, uint256 sequence) internal pure returns (bytes32) {
        return keccak256(abi.encode(_END_GUARDIANSHIP_TYPEHASH, patient, sequence));
    }

    /// @notice The message that names trustees.
    function trustees(
        bytes32 patient,
        address[] calldata members,
        uint8 threshold,
        uint40 delay,
        uint256 sequence
    ) internal pure returns (bytes32) {
        bytes32 all = keccak256(abi.encodePacked(members));
        return
            keccak256(abi.encode(_SET_TRUSTEES_TYPEHASH, patient, all, threshold, delay, sequence));
    }

    /// @notice The message by which a trustee supports a recovery, which is the recovery's id.
    function recovery(bytes32 patient, Plan calldata plan, uint64 round)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                _SUPPORT_RECOVERY_TYPEHASH,
                patient,
                plan.controller,
                plan.guardian,
                plan.until,
                plan.successor,
                round
            )
        );
    }

    /// @notice The message of a veto.
    function veto(bytes32 patient, bytes32 id) internal pure returns (bytes32) {
        return keccak256(abi.encode(_VETO_RECOVERY_TYPEHASH, patient, id));
    }
}
