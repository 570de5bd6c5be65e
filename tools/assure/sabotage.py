"""Contracts broken on purpose, one way at a time: a proof that still holds for one of them proves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sabotage:
    """One change of a contract under `contracts/`: `old` stands there once, `new` lets happen what `says`,
    and `proof` has to find it."""

    proof: str
    says: str
    file: str
    old: str
    new: str

    def do(self, contracts: Path) -> None:
        """Change a copy of the contracts; ValueError where `old` does not stand there exactly once."""
        path = contracts / self.file
        source = path.read_text("utf-8")
        if source.count(self.old) != 1:
            raise ValueError(f"{self.file} has changed: {self.old!r} is there {source.count(self.old)} times")
        path.write_text(source.replace(self.old, self.new), "utf-8")


ANY_CALL = "check_only_who_acts_puts_a_grant_in_force_and_only_once"
BY_SIGNATURE = "check_a_delivered_grant_was_signed_by_who_acts"
REVOKE = "check_a_revocation_ends_one"
REVOKE_ALL = "check_revokeAll_ends_all"
ALWAYS = "check_who_acts_can_always_revoke"
IN_FORCE = "check_in_force_is_what_these_proofs_mean"
ENTRIES = "check_only_the_caller_writes_in_its_name"
REVIEW = "check_a_review_comes_from_a_third"
OTHERS = "check_a_review_changes_no_other"
HOLDS = "check_holds_says_where_somebody_works"
RECORDS = "check_only_the_contributor_writes_in_its_name"

SABOTAGES = (
    Sabotage(
        ANY_CALL,
        "anybody grants",
        "ConsentRegistry.sol",
        "        (uint256 word, uint256 mark) = _accountFor(patient, _sender());\n        _put(",
        "        (uint256 word, uint256 mark) = (_accounts[patient], 0);\n        _put(",
    ),
    Sabotage(
        ANY_CALL,
        "a guardian whose time is over grants",
        "identity/Accounts.sol",
        "        if (_isInOffice(g)) return (word, false);\n        word",
        "        if (g.until != 0) return (word, false);\n        word",
    ),
    Sabotage(
        ANY_CALL,
        "a renewal brings back what was revoked",
        "ConsentRegistry.sol",
        "        _put(patient, newId, account_, mark);",
        "        _start(_grants[patient][newId], patient, newId, account_, mark);",
    ),
    Sabotage(
        ANY_CALL,
        "a guardianship that follows another keeps the epoch, and revives what has its number",
        "identity/Guardianships.sol",
        "        _changeEpoch(patient, word | _GUARDED);",
        "        _accounts[patient] = word | _GUARDED;",
    ),
    Sabotage(
        ANY_CALL,
        "anybody names a controller",
        "IdentityRegistry.sol",
        "        (uint256 word, uint256 mark) = _accountFor(patient, who);\n        _checkNoGuardian(",
        "        (uint256 word, uint256 mark) = (_accounts[patient], 0);\n        _checkNoGuardian(",
    ),
    Sabotage(
        BY_SIGNATURE,
        "a grant is delivered with a signature of something else",
        "ConsentRegistry.sol",
        "signer, TypedData.digest(domainSeparator(), grantId), signature);\n        _start(",
        "signer, bytes32(0), signature);\n        _start(",
    ),
    Sabotage(
        BY_SIGNATURE,
        "a grant signed by anybody is delivered",
        "ConsentRegistry.sol",
        "_accountFor(patient, Signatures.identityOf(signer));",
        "_accountFor(patient, patient);",
    ),
    Sabotage(
        REVOKE,
        "an id that was never seen is not revoked",
        "ConsentRegistry.sol",
        "        if (uint8(word) != _REVOKED) _end(g, word, patient, grantId);",
        "        if (uint8(word) == _IN_FORCE) _end(g, word, patient, grantId);",
    ),
    Sabotage(
        REVOKE_ALL,
        "the new epoch can be the old one",
        "identity/Accounts.sol",
        "        if (epoch == _epochIn(word)) epoch = ~epoch;\n",
        "",
    ),
    Sabotage(
        ALWAYS,
        "who acts under a guardianship cannot revoke",
        "ConsentRegistry.sol",
        "        _accountFor(patient, _sender());\n        Grant storage",
        "        (, uint256 mark) = _accountFor(patient, _sender());\n"
        "        _checkNoGuardian(patient, mark);\n        Grant storage",
    ),
    Sabotage(
        IN_FORCE,
        "a grant of an earlier epoch counts",
        "ConsentRegistry.sol",
        "        return uint8(word) == _IN_FORCE && current && !_hasLapsed(patient, word);",
        "        return uint8(word) == _IN_FORCE && !_hasLapsed(patient, word) || current && false;",
    ),
    Sabotage(
        ENTRIES,
        "a confirmation stands in the requester's chain",
        "BreakGlass.sol",
        "        glass.confirmer = msg.sender;",
        "        glass.confirmer = requester;",
    ),
    Sabotage(
        ENTRIES,
        "an entry stands in the chain of whoever began the transaction",
        "EntryChain.sol",
        "        _heads[msg.sender] = link;",
        "        _heads[tx.origin] = link;",
    ),
    Sabotage(
        REVIEW,
        "the confirmer reviews",
        "BreakGlass.sol",
        "        if (msg.sender == two[0] || msg.sender == two[1]) {",
        "        if (msg.sender == two[0]) {",
    ),
    Sabotage(
        REVIEW,
        "somebody reviews who works where the requester worked then",
        "BreakGlass.sol",
        "            if (organisation == then[i] || organisation == current) {",
        "            if (organisation == then[1] || organisation == current) {",
    ),
    Sabotage(
        OTHERS,
        "a review counts for every break-glass that has no number",
        "BreakGlass.sol",
        "        glass.reviewer = msg.sender;",
        "        _glasses[0].reviewer = msg.sender;",
    ),
    Sabotage(
        HOLDS,
        "a member keeps its role when its organisation is suspended",
        "ProviderRegistry.sol",
        "        return _isOrganisation(organisation) && _isLive(organisation);",
        "        return _isOrganisation(organisation);",
    ),
    Sabotage(
        RECORDS,
        "anybody supersedes",
        "RecordRegistry.sol",
        "        _successors[msg.sender][oldRecordId] = newRecordId;",
        "        _successors[tx.origin][oldRecordId] = newRecordId;",
    ),
    Sabotage(
        RECORDS,
        "an anchor stands in the name of whoever began the transaction",
        "RecordRegistry.sol",
        "        _anchor(msg.sender, recordId, anchorHash);\n    }\n\n    /// @inheritdoc IRecordRegistry\n"
        "    function anchorBatch",
        "        _anchor(tx.origin, recordId, anchorHash);\n    }\n\n    /// @inheritdoc IRecordRegistry\n"
        "    function anchorBatch",
    ),
)
