// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @title One word a patient, and who may change it
/// @dev Base of the ConsentRegistry, so that controller, epoch and opt-out stand in the one word that every grant and
/// every use reads.
abstract contract Accounts is IIdentityRegistry {
    /// @dev Who is guardian, until when, the how-manieth guardianship it is, and who is controller after it.
    struct Guardianship {
        address guardian;
        uint40 until;
        uint16 seq;
        address successor;
    }

    /// @dev The one of the account's flags that says that there is a guardianship to be looked at.
    uint256 internal constant _GUARDED = 1 << 224;

    // Named as the constant that it is until the chain forks.
    // slither-disable-next-line naming-convention
    uint256 internal immutable _CHAIN_ID;
    bytes32 private immutable _controlDomain;

    /// @dev One word: controller (bits 0 to 159; zero: the identity itself), epoch (160 to 223), flags (224 to 255).
    mapping(bytes32 patient => uint256) internal _accounts;
    mapping(bytes32 patient => uint256) private _sequences;
    mapping(bytes32 patient => Guardianship) internal _guardianships;

    constructor() {
        _CHAIN_ID = block.chainid;
        _controlDomain = TypedData.domain("Consentry Control");
    }

    /// @inheritdoc IIdentityRegistry
    function account(bytes32 patient)
        external
        view
        returns (address controller, uint64 epoch, uint32 flags)
    {
        uint256 word = _accounts[patient];
        return (address(uint160(word)), _epochIn(word), uint32(word >> 224));
    }

    /// @inheritdoc IIdentityRegistry
    function controllerOf(bytes32 patient) external view returns (address) {
        (uint256 word, bool nobody) = _wordNow(patient);
        if (uint160(word) != 0 || nobody) return address(uint160(word));
        return uint256(patient) >> 160 == 0 ? _nameOf(patient) : address(0);
    }

    /// @inheritdoc IIdentityRegistry
    function sequenceOf(bytes32 patient) external view returns (uint256) {
        return _sequences[patient];
    }

    /// @inheritdoc IIdentityRegistry
    function epochOf(bytes32 patient) public view returns (uint64) {
        return _epochIn(_accounts[patient]);
    }

    /// @inheritdoc IIdentityRegistry
    function controlDomainSeparator() public view returns (bytes32) {
        return block.chainid == _CHAIN_ID ? _controlDomain : TypedData.domain("Consentry Control");
    }

    /// @dev Changes the epoch to a number that nobody knew before this block, so that nobody can be made to sign
    /// terms for an epoch to come.
    function _changeEpoch(bytes32 patient, uint256 word) internal returns (uint64 epoch) {
        epoch = uint64(uint256(keccak256(abi.encode(blockhash(block.number - 1), patient, word))));
        // Hashes are compared, and no times.
        // slither-disable-next-line incorrect-equality
        if (epoch == _epochIn(word)) epoch = ~epoch;
        _accounts[patient] = word & ~(uint256(type(uint64).max) << 160) | uint256(epoch) << 160;
        emit AllConsentsRevoked(patient, epoch);
    }

    /// @dev The number that the next signed message about this identity has to carry, used up with it.
    function _useSequence(bytes32 patient) internal returns (uint256) {
        return _sequences[patient]++;
    }

    /// @dev The account word of a patient for whom `who` acts; refuses everybody else. Without a controller the
    /// identity acts for itself, all 32 bytes of it. Zero is nobody: it sends nothing, and `Signatures` never takes it
    /// for a signer. The mark is what a grant's word says of a guardianship; zero where there is none.
    function _accountFor(bytes32 patient, bytes32 who)
        internal
        view
        returns (uint256 word, uint256 mark)
    {
        word = _accounts[patient];
        if (word & _GUARDED != 0) return _accountOfWard(patient, who);
        if (!_isController(word, patient, who)) revert NotController(patient, _nameOf(who));
    }

    /// @dev Whether what came into force under a guardianship has ended with it.
    function _hasLapsed(bytes32 patient, uint256 mark) internal view returns (bool) {
        Guardianship storage g = _guardianships[patient];
        return uint16(mark >> 16) != 0 && (uint16(mark >> 16) != g.seq || !_isInOffice(g));
    }

    /// @dev Refuses while a guardian is in office.
    function _checkNoGuardian(bytes32 patient, uint256 mark) internal view {
        if (mark != 0) revert GuardianInOffice(patient, _guardianships[patient].until);
    }

    // Guardianships last for years; the seconds that a block's proposer can shift do not matter.
    // forge-lint: disable-next-item(block-timestamp)
    function _isInOffice(Guardianship storage g) internal view returns (bool) {
        return block.timestamp < g.until;
    }

    /// @dev Who signed a control message about a patient, whether or not that somebody acts for the patient.
    function _signerOf(
        bytes32 patient,
        bytes calldata signer,
        bytes32 message,
        bytes calldata signature
    ) internal view returns (bytes32 who) {
        who = Signatures.identityOf(signer);
        bytes32 digest = TypedData.digest(controlDomainSeparator(), message);
        _checkSignature(patient, signer, digest, signature);
    }

    /// @dev Refuses what the signer did not sign.
    function _checkSignature(
        bytes32 patient,
        bytes calldata signer,
        bytes32 digest,
        bytes calldata signature
    ) internal view {
        if (!Signatures.isValid(signer, digest, signature)) {
            revert SignatureInvalid(patient, _nameOf(Signatures.identityOf(signer)));
        }
    }

    /// @dev As `_accountFor`, where there is or was a guardian. In office are the guardian and the controller; then
    /// the successor alone is controller, and where there is none, nobody until trustees name one.
    function _accountOfWard(bytes32 patient, bytes32 who)
        private
        view
        returns (uint256 word, uint256 mark)
    {
        bool nobody;
        (word, nobody) = _wordNow(patient);
        if (word & _GUARDED != 0) {
            Guardianship storage g = _guardianships[patient];
            mark = uint256(g.seq) << 16;
            if (_nameOf(who) == g.guardian) return (word, mark | 1 << 8);
        }
        if (nobody || !_isController(word, patient, who)) {
            revert NotController(patient, _nameOf(who));
        }
    }

    /// @dev The account word as it holds now: after a guardianship with the successor in place of the controller, and
    /// unguarded. Nobody: the guardianship is over and had no successor.
    function _wordNow(bytes32 patient) internal view returns (uint256 word, bool nobody) {
        word = _accounts[patient];
        // A flag is looked at, and no time.
        // slither-disable-next-line incorrect-equality
        if (word & _GUARDED == 0) return (word, false);
        Guardianship storage g = _guardianships[patient];
        if (_isInOffice(g)) return (word, false);
        word = (word & ~_GUARDED) >> 160 << 160 | uint160(g.successor);
        nobody = g.successor == address(0);
    }

    function _isController(uint256 word, bytes32 patient, bytes32 who) private pure returns (bool) {
        // Whole addresses are compared, and no times.
        // slither-disable-next-line incorrect-equality
        return uint160(word) == 0 ? who == patient : uint160(uint256(who)) == uint160(word);
    }

    /// @dev The sender as an identity.
    function _sender() internal view returns (bytes32) {
        return bytes32(uint256(uint160(msg.sender)));
    }

    /// @dev The 20 bytes by which an account word names somebody.
    function _nameOf(bytes32 who) internal pure returns (address) {
        return address(uint160(uint256(who)));
    }

    /// @dev The epoch in an account word.
    function _epochIn(uint256 word) internal pure returns (uint64) {
        return uint64(word >> 160);
    }
}
