"""The audit finds what is not as it must be, and finds nothing where everything is."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from consentry.chain.contracts import Entry
from consentry.evidence import Finding, Journal, Report, audit
from consentry.keyholder.checks import MAX_AGE
from consentry.keyholder.journal import next_row
from consentry.keyholder.messages import Signed
from consentry.store import FolderStore
from tests.support.told import STAFF, Told, told


@pytest.fixture(scope="module")
def story() -> Told:
    return told()


def requested(story: Told) -> list[Any]:
    """The log as any other program would read it."""
    chain = story.world.chain
    contract = chain.rpc._contracts["AccessLog"]
    return list(contract.events.Requested.get_logs(from_block=0))


def wheres(report: Report) -> set[str]:
    return {finding.where for finding in report.findings}


def texts(report: Report) -> str:
    return "; ".join(finding.what for finding in report.findings)


# --- a clean run


def test_an_audit_of_a_clean_run_finds_every_access_and_nothing_else(story: Told) -> None:
    report = story.clean
    assert report.findings == []
    told_by_chain = [log["args"]["accessId"] for log in requested(story)]
    assert [access.entry.access_id for access in report.accesses] == told_by_chain
    assert all(access.lawful for access in report.accesses)
    named = [(access.entry.grant_id, access.verdict) for access in report.accesses]
    served = ["hospital", "expired", "hospital", "revoked"]
    expected = [(story.grants[name], "released") for name in served]
    again = story.grants["again"]
    assert named == [*expected, (again, "no release"), (again, "incomplete")]
    said = (
        "journals are whole",
        "follow one another up to",
        "in the journals",
        "each was allowed",
        "blobs are in",
    )
    assert [line for phrase in said for line in report.verified if phrase in line] == report.verified


def test_an_entry_that_nobody_or_too_few_answered_is_a_note_and_no_fault(story: Told) -> None:
    report = story.clean
    assert [len(access.releases) for access in report.accesses] == [3, 3, 3, 3, 0, 2]
    assert len(report.notes) == 2
    assert "no release" in report.notes[0]
    assert "incomplete" in report.notes[1]


def test_every_grant_is_told_with_how_it_ended(story: Told) -> None:
    report = story.clean
    names = {grant_id: name for name, grant_id in story.grants.items()}
    how = {names[one.grant_id]: one.how for one in report.consents if one.grant_id in names}
    ended = {name: name for name in ("expired", "revoked", "all revoked", "void")}
    assert how == {**ended, "unseen": "revoked", "hospital": "all revoked", "again": ""}
    (standing,) = [one for one in report.consents if one.in_force]
    assert standing.kind == "general"
    assert "may read my general records for treatment" in standing.sentence
    assert [one.began for one in report.consents if one.grant_id == story.grants["unseen"]] == [0]


def test_a_call_that_keyholders_refused_is_told_once_for_all_of_them(story: Told) -> None:
    (attempt,) = story.clean.attempts
    stranger = story.world.person("stranger").address
    assert (attempt.verb, attempt.claimed_caller) == ("box given", stranger)
    assert (attempt.check, attempt.keyholders) == ("credential at head", (1, 2, 3, 4, 5))


def test_the_audit_of_one_patient_tells_only_of_her_and_still_checks_everything(story: Told) -> None:
    hers = story.audit(patient=story.world.patient)
    assert (len(hers.accesses), len(hers.consents)) == (6, 9)
    another = story.audit(patient=story.world.person("stranger").identity)
    assert (another.accesses, another.consents, another.label_reads) == ([], [], [])
    assert another.verified == hers.verified


def test_the_agent_that_an_actor_names_is_kept_as_it_is(story: Told) -> None:
    agents = [access.entry.agent for access in story.clean.accesses]
    assert agents == [bytes(32)] * 4 + [STAFF, bytes(32)]


# --- journals


def kept(story: Told, index: int, change: Callable[[list[Any]], None]) -> list[Journal]:
    """All journals, that of keyholder ``index`` changed."""
    journals = story.journals
    rows = list(journals[index - 1].rows)
    change(rows)
    journals[index - 1] = Journal(journals[index - 1].card, rows)
    return journals


def written(story: Told, index: int, kind: str, time: int, **body: str) -> list[Journal]:
    """All journals, that of keyholder ``index`` with one more row, which it signed itself."""
    service = story.world.keyholders[index - 1]
    named = {name.replace("_", " "): text for name, text in body.items()}

    def add(rows: list[Any]) -> None:
        deployment = story.world.chain.deployment
        rows.append(next_row(deployment, service._signer, rows[-1], time, kind, named))

    return kept(story, index, add)


def release_of(entry: Entry, **changes: str) -> dict[str, str]:
    """The body of a release row for ``entry``."""
    words = {"access": entry.access_id, "record": entry.record_id, "grant": entry.grant_id}
    body = {name: "0x" + value.hex() for name, value in words.items()}
    return {**body, "actor": entry.actor, "answer": "0x" + bytes(32).hex(), **changes}


def unstopped(journals: list[Journal], index: int) -> list[Journal]:
    """The same, as if keyholder ``index`` had never heard of a stop."""
    journal = journals[index - 1]
    journals[index - 1] = Journal(journal.card, [row for row in journal.rows if row.kind != "stop"])
    return journals


def test_a_release_without_an_entry_is_found_in_the_keyholders_own_words(story: Told) -> None:
    entry = story.clean.accesses[0].entry
    invented = release_of(entry, access="0x" + keccak(text="no entry").hex())
    report = story.audit(written(story, 4, "release", story.clean.at, **invented))
    assert wheres(report) == {"journal of keyholder 4"}
    assert "release without an entry" in texts(report)
    assert not any("in the journals" in line for line in report.verified)


@pytest.mark.parametrize("field", ["record", "actor", "grant"])
def test_a_release_that_names_an_entry_falsely_is_found(story: Told, field: str) -> None:
    entry = story.clean.accesses[0].entry
    body = release_of(entry, **{field: "0x" + bytes(32).hex()})
    report = story.audit(written(story, 4, "release", story.world.chain.time_of(entry.block), **body))
    assert "release without an entry" in texts(report)


def test_a_release_to_an_entry_that_counts_is_no_finding(story: Told) -> None:
    entry = story.clean.accesses[4].entry
    time = story.world.chain.time_of(entry.block)
    report = story.audit(written(story, 4, "release", time, **release_of(entry)))
    assert report.findings == []
    assert report.accesses[4].verdict == "incomplete"


def test_a_release_that_came_too_late_or_too_early_is_found(story: Told) -> None:
    entry = story.clean.accesses[0].entry
    time = story.world.chain.time_of(entry.block)
    late = written(story, 4, "release", time + 2 * MAX_AGE + 3 * 86_400, **release_of(entry))
    assert "later than 60 minutes" in texts(story.audit(unstopped(late, 4)))
    early = written(story, 4, "release", time - 1, **release_of(entry))
    assert "older than its entry" in texts(story.audit(unstopped(early, 4)))


def test_a_release_after_the_revocation_is_found(story: Told) -> None:
    """The grant was revoked two blocks after its entry, within the hour in which entries are answered."""
    access = story.clean.accesses[3]
    revoked = next(one for one in story.clean.consents if one.grant_id == story.grants["revoked"])
    assert revoked.ended - access.time < MAX_AGE
    rows = written(story, 5, "release", revoked.ended + 1, **release_of(access.entry))
    report = story.audit(unstopped(rows, 5))
    assert "not allowed any more: the patient has revoked the grant" in texts(report)


def test_a_release_after_the_keyholder_took_the_patients_stop_is_found(story: Told) -> None:
    access = story.clean.accesses[3]
    report = story.audit(written(story, 5, "release", access.time, **release_of(access.entry)))
    assert "came after the patient's stop" in texts(report)


def test_an_edited_row_is_found_and_named(story: Told) -> None:
    def edit(rows: list[Any]) -> None:
        rows[7] = replace(rows[7], body={**rows[7].body, "patient": "0x" + bytes(32).hex()})

    report = story.audit(kept(story, 2, edit))
    assert Finding("journal of keyholder 2", report.findings[0].what) in report.findings
    assert "row 7 was edited" in texts(report)
    assert not any("journals are whole" in line for line in report.verified)


def test_a_removed_row_is_found(story: Told) -> None:
    report = story.audit(kept(story, 3, lambda rows: rows.pop(5)))
    assert "row 5 was edited, moved or removed" in texts(report)


def test_a_cut_tail_is_found_by_an_answer_that_was_kept(story: Told) -> None:
    last = max(one.row for one in story.known if isinstance(one, Signed) and one.keyholder == 1)

    def cut(rows: list[Any]) -> None:
        del rows[last:]

    report = story.audit(kept(story, 1, cut))
    assert f"row {last} is missing although an answer names it" in texts(report)
    nobody_kept_any = story.audit(kept(story, 1, cut), known=())
    assert "journal" not in {where.split()[0] for where in wheres(nobody_kept_any)}


def test_a_journal_that_was_written_anew_is_found_by_an_answer_that_was_kept(story: Told) -> None:
    service = story.world.keyholders[1]

    def rewrite(rows: list[Any]) -> None:
        old = [(row.time, row.kind, row.body) for row in rows if row.kind != "release"]
        rows.clear()
        for fields in old:
            last = rows[-1] if rows else None
            rows.append(next_row(story.world.chain.deployment, service._signer, last, *fields))

    report = story.audit(kept(story, 2, rewrite))
    assert wheres(report) == {"journal of keyholder 2"}
    assert "the journal was forked" in texts(report) or "the tail was cut" in texts(report)


def test_two_copies_of_a_journal_that_differ_prove_a_fork(story: Told) -> None:
    at = story.clean.at
    one = written(story, 2, "own", at, caller="0x" + "11" * 20)[1]
    other = written(story, 2, "own", at, caller="0x" + "22" * 20)[1]
    report = story.audit([*story.journals, one, other])
    assert "it was forked: there are two different rows" in texts(report)
    older = Journal(one.card, one.rows[:-3])
    assert story.audit([older, *story.journals]).findings == []


def test_an_answer_that_its_journal_hides_is_found(story: Told) -> None:
    """The keyholder answered, wrote nothing, and let the answer name an older row."""
    service, deployment = story.world.keyholders[3], story.world.chain.deployment
    row = service.journal()[3]
    bare = Signed(4, "release", keccak(text="answer"), 40, row.index, row.hash)
    answer = replace(bare, signature=service._signer.sign_typed_data(bare.message(deployment)))
    report = story.audit(known=[*story.known, answer])
    assert wheres(report) == {"journal of keyholder 4"}
    assert "an answer that it gave in block 40 does not stand in it" in texts(report)


def test_an_answer_that_a_keyholder_never_signed_accuses_nobody(story: Told) -> None:
    forged = Signed(4, "release", keccak(text="answer"), 40, 9_999, bytes(32), b"\1" * 65)
    report = story.audit(known=[*story.known, forged])
    assert report.findings == []
    assert any("in the name of keyholder 4 are not signed" in note for note in report.notes)


def test_rows_that_hold_anything_at_all_are_findings_and_no_crash(story: Told) -> None:
    """Signed by the keyholder, so that only what the rows say is wrong."""
    journals = written(story, 1, "deal", 1, record_0="no hex", digest_0="0x", cid_0="../..", contributor="x")
    journals = [*journals[:1], *written(story, 2, "release", -5, access="zz")[1:2], *journals[2:]]
    report = story.audit(journals)
    assert "release without an entry" in texts(report)

    def spoil(rows: list[Any]) -> None:
        rows[:] = [replace(row, time="soon", body={"patient": 5}) for row in rows]

    assert "rows that cannot be read" in texts(story.audit(kept(story, 3, spoil)))


def test_journals_that_are_missing_are_named(story: Told) -> None:
    report = story.audit(story.journals[:2])
    assert report.findings == []
    assert any("keyholder 3, keyholder 4, keyholder 5" in note for note in report.notes)
    assert any("more may have been released" in note for note in report.notes)


# --- the log on chain


def without(story: Told, monkeypatch: pytest.MonkeyPatch, *hidden: int) -> Report:
    """The audit of a chain whose node keeps some entries (by number) to itself."""
    chain = story.world.chain
    true = chain.entries

    def lying(*args: Any, **filters: Any) -> list[Entry]:
        left_out = [access.entry for n, access in enumerate(clean) if n in hidden]
        return [entry for entry in true(*args, **filters) if entry not in left_out]

    clean = story.clean.accesses
    monkeypatch.setattr(chain, "entries", lying)
    return story.audit()


@pytest.mark.parametrize("hidden", [(0,), (5,), (1,), (0, 2, 3, 4, 5)])
def test_an_entry_that_the_node_hides_is_missed(
    story: Told, monkeypatch: pytest.MonkeyPatch, hidden: tuple[int, ...]
) -> None:
    """The first, the last, an actor's only one, all of an actor's."""
    report = without(story, monkeypatch, *hidden)
    assert "some are missing" in texts(report) or "does not follow in its actor's chain" in texts(report)
    assert not any("follow one another up to" in line for line in report.verified)


def test_an_altered_entry_does_not_follow_in_its_chain(story: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = story.world.chain
    true = chain.entries

    def lying(*args: Any, **filters: Any) -> list[Entry]:
        found = true(*args, **filters)
        return [replace(found[0], agent=STAFF), *found[1:]]

    monkeypatch.setattr(chain, "entries", lying)
    assert "does not follow in its actor's chain" in texts(story.audit())


def altered(
    story: Told, monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[list[Any]], list[Any]]
) -> Report:
    """The audit of a chain whose events of one name are altered: entries that stand on other ground."""
    rpc = story.world.chain.rpc
    true = rpc.events

    def lying(contract: str, event: str, *args: Any, **filters: Any) -> list[Any]:
        found = true(contract, event, *args, **filters)
        return change(found) if event == name else found

    monkeypatch.setattr(rpc, "events", lying)
    return story.audit()


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("ConsentGranted", "never put in force"),
        ("CredentialIssued", "credential is not live"),
        ("CredentialReinstated", "credential is not live"),
        ("TermsUsed", "the terms of its grant were never shown"),
    ],
)
def test_an_entry_that_nothing_allowed_is_not_lawful(
    story: Told, monkeypatch: pytest.MonkeyPatch, event: str, reason: str
) -> None:
    report = altered(story, monkeypatch, event, lambda found: [])
    assert reason in texts(report)
    assert not all(access.lawful for access in report.accesses)
    assert not any("each was allowed" in line for line in report.verified)


def test_an_entry_after_a_revocation_is_not_lawful(story: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    first = story.clean.accesses[0].entry

    def early(found: list[Any]) -> list[Any]:
        place = {"block": first.block - 1, "index": 99}
        args = {"patient": story.world.patient, "grantId": first.grant_id}
        return [replace(found[0], args=args, **place), *found]

    report = altered(story, monkeypatch, "ConsentRevoked", early)
    assert "not lawful there: the patient has revoked the grant" in texts(report)


def test_terms_that_are_not_those_of_the_grant_allow_nothing(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wider(found: list[Any]) -> list[Any]:
        terms = {**found[0].args["terms"], "expiresAt": 2**40 - 1}
        return [replace(event, args={**event.args, "terms": terms}) for event in found]

    assert "the terms of its grant were never shown" in texts(altered(story, monkeypatch, "TermsUsed", wider))


def test_an_entry_under_terms_for_another_record_is_not_lawful(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consentry.evidence.replay import Replay

    replay = Replay(story.world.chain)
    entry = replay.entries[0]
    terms = replace(replay.terms[entry.grant_id], record=keccak(text="another"))
    replay.terms[terms.grant_id] = terms
    assert replay.why_not(entry) == ""
    assert replay.why_not(replace(entry, grant_id=terms.grant_id)) == "its grant names another record"


def test_a_head_that_moved_on_during_the_audit_is_followed(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit takes the block before the last two entries for its head."""
    chain, true = story.world.chain, story.world.chain.head
    last = story.clean.accesses[4].entry.block - 1
    heads = iter([type(true())(last, chain.time_of(last))])
    monkeypatch.setattr(chain, "head", lambda: next(heads, None) or true())
    report = audit(chain, None, [], threshold=3)
    assert (report.head, len(report.accesses)) == (last, 4)
    assert report.findings == []


# --- blobs


@pytest.fixture
def store(story: Told, tmp_path: Any) -> FolderStore:
    """A copy of the store that can be spoiled."""
    shutil.copytree(story.world.home / "store", tmp_path / "store")
    return FolderStore(tmp_path / "store")


def blob(store: FolderStore) -> Any:
    return next(path for path in sorted(store._root.rglob("baf*")) if path.is_file())


def test_an_altered_blob_is_found(story: Told, store: FolderStore) -> None:
    good = blob(store).read_bytes()
    blob(store).chmod(0o600)
    blob(store).write_bytes(good[:200] + bytes([good[200] ^ 1]) + good[201:])
    report = story.audit(store=store)
    assert "its blob was altered" in texts(report)
    assert [where.split()[0] for where in wheres(report)] == ["record"]


def test_a_missing_blob_is_found(story: Told, store: FolderStore) -> None:
    blob(store).unlink()
    assert "its blob is missing" in texts(story.audit(store=store))


def test_blobs_that_were_not_looked_at_are_a_note(story: Told) -> None:
    report = story.audit(store=None)
    assert report.findings == []
    assert any("the blobs were not looked at" in note for note in report.notes)
    assert not any("blobs are in the store" in line for line in report.verified)


def deal_row(story: Told) -> dict[str, str]:
    row = next(row for row in story.journals[0].rows if row.kind == "deal")
    return {name.replace(" ", "_"): text for name, text in row.body.items()}


def test_keyholders_that_were_dealt_different_blobs_are_found(story: Told) -> None:
    body = {**deal_row(story), "digest_0": "0x" + bytes(32).hex()}
    report = story.audit(written(story, 4, "deal", story.clean.at, **body))
    assert "do not say the same of what was dealt" in texts(report)


def test_a_content_id_that_is_none_is_a_missing_blob(story: Told) -> None:
    report = story.audit(written(story, 4, "deal", story.clean.at, **{**deal_row(story), "cid_0": "../.."}))
    assert "its blob is missing" in texts(report)


def test_what_was_dealt_and_never_anchored_is_a_note(story: Told) -> None:
    body = {**deal_row(story), "record_0": "0x" + keccak(text="new").hex()}
    report = story.audit(written(story, 4, "deal", story.clean.at, **body))
    assert report.findings == []
    assert any("dealt, never anchored" in note for note in report.notes)


# --- nothing that is given is believed


def test_a_card_that_no_authority_issued_names_nobody(story: Told) -> None:
    clinician = story.world.person("clinician").address
    false = replace(story.world.cards["clinician"], name="Riverside Test Hospital")
    report = story.audit(known=[false])
    assert report.name(clinician) == clinician
    assert any("not the one that was issued" in note for note in report.notes)
    assert story.clean.name(clinician) == "Test clinician"


def test_a_card_that_an_authority_signed_and_never_issued_names_nobody(story: Told) -> None:
    false = replace(story.world.cards["clinician"], name="Riverside Test Hospital")
    message = false.message(story.world.chain.deployment)
    signed = replace(false, signature=story.world.authority.signer.sign_typed_data(message))
    assert story.audit(known=[signed]).cards == {}


def test_a_card_without_its_authoritys_signature_names_nobody(story: Told) -> None:
    false = replace(story.world.cards["clinician"], signature=b"\1" * 65)
    assert story.audit(known=[false]).cards == {}


def test_a_sentence_that_was_not_signed_is_left_out(story: Told) -> None:
    own = story.world.desk("patient").my_grants()[story.grants["again"]]
    false = replace(own, reading=replace(own.reading, sentence="Nobody may read anything."))
    report = story.audit(known=[false])
    (told_as,) = [one for one in report.consents if one.grant_id == story.grants["again"]]
    assert told_as.sentence == ""
    assert any("not the one signed" in note for note in report.notes)


def test_a_kind_that_the_signed_sentence_does_not_name_is_left_out(story: Told) -> None:
    own = story.world.desk("patient").my_grants()[story.grants["again"]]
    report = story.audit(known=[replace(own, kind="hiv")])
    (told_as,) = [one for one in report.consents if one.grant_id == story.grants["again"]]
    assert (told_as.kind, told_as.sentence) == ("", own.reading.sentence)
