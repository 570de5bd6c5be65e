"""Every error that Consentry raises, as one tree::

    ConsentryError                    exit 1
    |-- UsageError                    exit 2   the call is wrong; nothing was done
    |-- NotFound                      exit 3   what was named does not exist
    |-- Refused                       exit 4   who asks may not
    |   `-- ContractRefused, KeyholderRefused  a contract's custom error, a keyholder's uniform refusal
    |-- IntegrityError                exit 5   bytes, hash or signature are not what they claim
    |-- Unreachable                   exit 6   chain, store or too few keyholders; try again
    `-- FindingsError                 exit 7   a verification ran to its end and found problems

Every class says what was wrong, why, and what to do; no message holds a secret or a record's content.
"""

from __future__ import annotations


class ConsentryError(Exception):
    """Root of all errors of this package. ``exit_code`` is what a command ends with."""

    exit_code = 1


class UsageError(ConsentryError, ValueError):
    """The call is wrong (a value out of range, a file that is not what it should be); nothing was done."""

    exit_code = 2


class NotFound(ConsentryError, LookupError):
    """What was named does not exist here."""

    exit_code = 3


class Refused(ConsentryError):
    """Who asks may not do this."""

    exit_code = 4


class IntegrityError(ConsentryError):
    """Bytes, a hash or a signature are not what they claim to be; nothing of them was used."""

    exit_code = 5


class Unreachable(ConsentryError):
    """The chain, the store or enough keyholders did not answer; the same command can be run again."""

    exit_code = 6


class FindingsError(ConsentryError):
    """A verification ran to its end and found problems; the report names them."""

    exit_code = 7


# --- records, sealing, store ------------------------------------------------------------------------


class NotARecord(UsageError):
    """The input cannot become a record (not JSON where FHIR was promised, an empty Bundle, no resource)."""


class KindUnknown(UsageError):
    """The name is no kind; the message lists those that there are."""


class PurposeUnknown(UsageError):
    """The code or bit is no purpose of use that a grant can hold; the message lists those that there are."""


class BlobAltered(IntegrityError):
    """A blob's bytes do not have the content id or digest that was anchored, or do not open."""


class WrapBroken(IntegrityError):
    """A wrapped key does not open with the key it was made for."""


class KeyInvalid(IntegrityError):
    """A public encryption key from outside does not work; it failed a trial wrap."""


class KeyringLocked(Refused):
    """The passphrase does not open the keyring, or the keyring file is damaged."""


class BlobMissing(NotFound):
    """The store does not hold the content id."""


class StoreUnreachable(Unreachable):
    """The store itself failed (disk full, folder not writable, daemon gone); the call can be repeated."""


class StoreUnfit(UsageError):
    """The store's daemon is of a version that was not tested; nothing was given to it."""


class CidInvalid(UsageError):
    """The text is not a CIDv1 of the kinds this store makes (raw or dag-pb, sha2-256, base32)."""


# --- who cheated, by name (design section 5) --------------------------------------------------------


class ShareMismatch(IntegrityError):
    """A keyholder gave a share that it was not dealt."""


class DealInconsistent(IntegrityError):
    """The contributor dealt shares that do not lie on one polynomial."""


class CommitMismatch(IntegrityError):
    """The contributor's commitment or wrapped data key does not fit the two halves."""


class BoxBroken(IntegrityError):
    """The one who made the key box put a key in that does not lead to the records it names."""


class OwnWrapBroken(IntegrityError):
    """The contributor's wrap for the patient does not open."""


class EnvelopesDiffer(IntegrityError):
    """Keyholders answered with different leaves for one record; their answers are not combined."""


# --- consent ----------------------------------------------------------------------------------------


class CardInvalid(Refused):
    """A provider's card does not verify: hash, authority, signature, credential or key."""


class NotAllowed(Refused):
    """The rule does not allow this use; the message gives the first reason."""


class GrantNotDelivered(Refused):
    """A grant is only half delivered: the key box or the transaction is missing."""


class NoGrant(Refused):
    """No grant that is in force lets this actor do this."""


class SegmentMissing(Refused):
    """The contributor has no DEPOSIT grant for a kind; all missing kinds are listed."""


class StatementStale(Refused):
    """A segment's statement is not signed by who controls the patient's identity now."""


# --- chain ------------------------------------------------------------------------------------------


class ContractRefused(Refused):
    """A contract's custom error: ``name`` as in its interface, ``values`` its arguments by name."""

    def __init__(self, name: str, values: dict[str, object]) -> None:
        self.name, self.values = name, values
        shown = ", ".join(f"{key}={_shown(value)}" for key, value in values.items())
        super().__init__(f"the contract refused: {name}({shown}){_ADVICE.get(name, '')}")


_ADVICE = {
    "GrantEnded": "; the patient ended it, and only a new grant can take its place",
    "NotAuthority": "; an authority of this deployment has to send it",
    "NotController": "; the one who controls the patient's identity now has to sign or send it",
    "SignatureInvalid": "; somebody else signed, or it was altered: ask the patient to sign it again",
}


def _shown(value: object) -> str:
    if isinstance(value, bytes) and len(value) == 32 and not any(value[:12]):
        return f"0x{value[12:].hex()}"  # an identity that is a wallet's
    return f"0x{value.hex()[:16]}..." if isinstance(value, bytes) else str(value)


class TransactionFailed(ConsentryError):
    """A transaction was mined and reverted, although it would have held a moment before."""


class NotEnoughEther(ConsentryError):
    """An account cannot pay for a transaction, which was not sent; amounts are in wei."""

    def __init__(self, address: str, there: int, needed: int) -> None:
        short = f"{address} has {there / 10**18:.6f} ether, and it may cost {needed / 10**18:.6f}"
        super().__init__(f"{short}: send it some, then run the same command again")


class TransactionReplaced(Unreachable):
    """Another transaction took the place (the nonce) of ours, which will never be mined."""

    def __init__(self, transaction: str, nonce: int) -> None:
        what = (
            f"the transaction {transaction} was replaced by another one of the same account (nonce {nonce})"
        )
        again = "if you did not cancel it, run the same command again"
        super().__init__(f"{what}, sent by a wallet or another program; {again}")


class ChainUncertain(Unreachable):
    """Fewer endpoints of the chain than have to agree are up, in time, at its head and on it."""


class WrongChain(ChainUncertain):
    """The node is on another chain than the deployment, or the contracts are not there."""


class BlockUnproved(ChainUncertain):
    """A block does not have the hash that its node claims, or receipts are not those of their block."""


class EndpointsDisagree(ChainUncertain):
    """Endpoints of one chain contradict one another: at least one of them lies, or the chain reorganises."""


# --- keyholders -------------------------------------------------------------------------------------


class NotApproved(Refused):
    """The keyholders that hand on did not all approve of those that come after them."""


class KeyholderRefused(Refused):
    """A keyholder refused. Whatever the reason, it says the same: see the keyholder's own journal."""

    def __init__(self) -> None:
        super().__init__("the keyholder refused")


class TooFewKeyholders(Unreachable):
    """Fewer keyholders than needed answered well; nothing is lost, the same command can be run again."""


class VaultUnfit(UsageError):
    """A keyholder's databases were written by an older or newer version; nothing in them was changed."""


class JournalBroken(IntegrityError):
    """A keyholder's journal was edited, cut or forked, or does not carry its signature."""
