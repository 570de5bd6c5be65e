"""The doors: what is typed, what is asked, what is shown, and what is left in files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from consentry.admin import ORGANISATION, Applicant
from consentry.cli import cli, enrolling, granting, opening, terminal
from consentry.cli.arguments import ADDRESS, DAY, DAY_TYPE, IDENTIFIER, pick
from consentry.cli.desk import Desk
from consentry.cli.home import Home
from consentry.cli.providers import ROLES, is_npi, read_providers, standing
from consentry.consent.card import Offer
from consentry.consent.membership import Membership, MembershipInvalid, NotThisMember, admit, take
from consentry.errors import (
    CardInvalid,
    FindingsError,
    KeyringLocked,
    NoGrant,
    NotAllowed,
    NotFound,
    UsageError,
)
from consentry.keys.hpke import public_key
from tests.support.world import World, make_world, record

NOW = 1_767_225_600  # 2026-01-01
HEADING = "file,name,number,roles,organisation,valid_until"
PASSPHRASE = "the passphrase of nobody"


# --- the command


def test_help_imports_neither_web3_nor_ape_nor_anything_of_theirs() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom consentry.cli import cli\n"
        "for words in (['--help'], ['open', '--help']): assert not CliRunner().invoke(cli, words).exception\n"
        "heavy = {'ape', 'web3', 'pandas', 'eth_account', 'cryptography', 'rich', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_an_error_becomes_its_message_and_its_classs_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    for error, code in ((UsageError, 2), (NotFound, 3), (NoGrant, 4), (FindingsError, 7)):
        with pytest.raises(click.exceptions.Exit) as ended, terminal.exit_codes():
            raise error("what was wrong")
        assert ended.value.exit_code == code
        assert capsys.readouterr().err == f"{error.__name__}: what was wrong\n"


def test_what_the_machine_refuses_is_said_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit) as ended, terminal.exit_codes():
        raise OSError(28, "No space left on device", "record.json")
    assert ended.value.exit_code == 1
    assert "record.json: No space left on device; make room" in capsys.readouterr().err


def test_an_interrupted_command_ends_with_130_and_an_unknown_fault_shows_as_it_is() -> None:
    with pytest.raises(click.exceptions.Exit) as ended, terminal.exit_codes():
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    with pytest.raises(ZeroDivisionError), terminal.exit_codes():
        raise ZeroDivisionError


def test_what_is_missing_is_said_before_anything_is_opened(tmp_path: Path) -> None:
    run = CliRunner(env={"CONSENTRY_HOME": str(tmp_path)}).invoke
    assert "-o FILE" in run(cli, ["open", "--kind", "general"]).output
    assert run(cli, ["open", "--kind", "general", "--record", "12345678", "-o", "x"]).exit_code == 2
    empty = run(cli, ["open"])
    assert (empty.exit_code, "no keyring" in empty.output) == (3, True)


# --- what is typed


def typed(kind: click.ParamType, value: str) -> Any:
    return kind.convert(value, None, None)


def test_an_address_is_taken_in_small_letters_and_refused_with_a_wrong_capital() -> None:
    right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    assert typed(ADDRESS, right) == typed(ADDRESS, right.lower()) == right
    for wrong in (right.replace("aA", "AA"), right[:-1], "alice", right[2:]):
        with pytest.raises(click.BadParameter):
            typed(ADDRESS, wrong)


def test_a_day_includes_itself_and_is_written_in_one_way() -> None:
    assert typed(DAY_TYPE, "2025-12-31") == NOW
    for wrong in ("2025-13-01", "31.12.2025", "20251231", "2025-02-29"):
        with pytest.raises(click.BadParameter):
            typed(DAY_TYPE, wrong)


def test_the_first_digits_of_an_id_name_it_unless_two_begin_so() -> None:
    first, second = bytes.fromhex("12345678" + "aa" * 28), bytes.fromhex("12345678" + "bb" * 28)
    assert pick(typed(IDENTIFIER, "0x12345678BB"), [first, second], "record") == second
    with pytest.raises(UsageError, match="more digits"):
        pick("12345678", [first, second], "record")
    with pytest.raises(NoGrant):
        pick("87654321", [first, second], "record", NoGrant)
    with pytest.raises(click.BadParameter):
        typed(IDENTIFIER, "0x1234567")


# --- what is asked


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "asked", lambda: False)
    monkeypatch.delenv(terminal.PASSPHRASE, raising=False)


@pytest.mark.usefixtures("nobody")
def test_where_nobody_can_be_asked_the_error_names_what_to_give() -> None:
    with pytest.raises(UsageError, match="--yes"):
        terminal.confirm("Grant this?", yes=False)
    with pytest.raises(UsageError, match=terminal.PASSPHRASE):
        terminal.passphrase("the keyring", new=False)
    terminal.confirm("Grant this?", yes=True)


def test_a_no_ends_the_command_and_a_yes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "asked", lambda: True)

    @click.command()
    def ask() -> None:
        terminal.confirm("Grant this?", yes=False)
        click.echo("granted")

    assert "granted" in CliRunner().invoke(ask, input="y\n").output
    declined = CliRunner().invoke(ask, input="\n")
    assert (declined.exit_code, "granted" in declined.output) == (1, False)


def test_a_new_passphrase_is_typed_twice_and_not_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "asked", lambda: True)
    monkeypatch.delenv(terminal.PASSPHRASE, raising=False)

    @click.command()
    def ask() -> None:
        assert terminal.passphrase("the keyring", new=True) == PASSPHRASE

    assert CliRunner().invoke(ask, input=f"{PASSPHRASE}\n{PASSPHRASE}\n").exit_code == 0
    shown = CliRunner().invoke(ask, input=f"{PASSPHRASE}\nanother one\n{PASSPHRASE}\n{PASSPHRASE}\n")
    assert (shown.exit_code, PASSPHRASE in shown.output) == (0, False)
    assert shown.output.count("Passphrase for the keyring") == 2
    monkeypatch.setenv(terminal.PASSPHRASE, "short")
    with pytest.raises(UsageError, match="characters"):
        terminal.passphrase("the keyring", new=True)


# --- what is shown


def test_an_id_in_a_table_is_whole_however_narrow_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    cid = "b" * 59
    terminal.table(
        "", ["=kind", "=CID", "note"], [["general", cid, "some words that may be folded anywhere"]]
    )
    assert cid in capsys.readouterr().out


def test_a_name_cannot_move_the_cursor_or_hide_itself(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "Dr \x1b[2K\x07 \u202e Nobody [red]"
    terminal.table("", ["name"], [[hostile]])
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert "[red]" in shown


# --- files


def half_way(path: Path) -> None:
    with terminal.replacing(path, force=True) as half:
        half.write_bytes(b"half")
        raise KeyboardInterrupt


def test_a_file_is_not_replaced_unasked_and_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    terminal.write_new(path, b"one", force=False)
    terminal.write_new(path, b"one", force=False)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="--force"):
        terminal.write_new(path, b"two", force=False)
    with pytest.raises(KeyboardInterrupt):
        half_way(path)
    assert path.read_bytes() == b"one"
    terminal.write_new(path, b"two", force=True)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"two"]
    for place in (tmp_path, tmp_path / "none" / "x"):
        with pytest.raises(UsageError, match="folder"):
            terminal.write_new(place, b"three", force=True)


def test_where_the_record_goes_is_settled_before_it_is_asked_for() -> None:
    asked = {
        "patient": None,
        "record": None,
        "kind": None,
        "purpose": "TREAT",
        "output": None,
        "force": False,
    }
    opening.Asked(**asked)
    for change in (
        {"kind": "general"},
        {"output": "x"},
        {"record": "12345678", "kind": "hiv", "output": "x"},
    ):
        with pytest.raises(UsageError):
            opening.Asked(**{**asked, **change})


def test_a_keyring_is_made_only_when_asked_for_and_opens_with_its_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    monkeypatch.setenv(terminal.PASSPHRASE, PASSPHRASE)
    with pytest.raises(NotFound, match="enrol"):
        Home(tmp_path).keyring(who)
    made = Home(tmp_path).keyring(who, create=True)
    home = Home(tmp_path)
    assert home.keyring(who).seed == made.seed
    assert PASSPHRASE not in repr(home)
    monkeypatch.setenv(terminal.PASSPHRASE, "another passphrase")
    with pytest.raises(KeyringLocked):
        Home(tmp_path).keyring(who)


def test_a_card_is_found_by_its_file_or_by_its_address(tmp_path: Path) -> None:
    who = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    for named in (who, str(tmp_path / "card.json")):
        with pytest.raises(NotFound):
            Home(tmp_path).card(named)
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(CardInvalid):
        Home(tmp_path).card(str(tmp_path / "card.json"))
    with pytest.raises(UsageError):
        Home(tmp_path).card(str(tmp_path))


# --- providers.csv


def test_an_npi_is_taken_by_its_check_digit() -> None:
    assert all(map(is_npi, ("1234567893", "1245319599", "1003000126", "2234567891")))
    wrong = ("1234567890", "1234567894", "123456789", "12345678931", "3234567899", "", "１２３４５６７８９３")
    assert not any(map(is_npi, wrong))


@pytest.fixture
def offers(tmp_path: Path) -> tuple[Path, list[Offer]]:
    """A folder with a.json, b.json, c.json, made by three accounts."""
    made = []
    for number, name in enumerate("abc", 1):
        offer = Offer("0x" + f"{number:040d}", 0x647A, bytes([number]) * 1216, b"s" * 65)
        (tmp_path / f"{name}.json").write_text(offer.to_json())
        made.append(offer)
    return tmp_path, made


def read(folder: Path, *rows: str, heading: str = HEADING, encoding: str = "utf-8") -> Any:
    (folder / "providers.csv").write_bytes("\n".join([heading, *rows, ""]).encode(encoding))
    return read_providers(folder / "providers.csv", lambda offer: None, NOW)


def test_organisations_come_first_and_members_name_them_by_number(offers: tuple[Path, list[Offer]]) -> None:
    folder, (a, b, _) = offers
    rows = [
        "a.json,Dr Ä,1234567893,treating research,1245319599,2026-01-01",
        f"c.json,Dr C,GMC:7654321,reviewer,{b.address},2030-06-30",
        "",
        "b.json,Hospital,1245319599,organisation treating,,2030-06-30",
    ]
    hospital, first, second = read(folder, *rows, encoding="utf-8-sig")
    assert (hospital.offer, hospital.organisation, hospital.roles) == (b, None, 0x8001)
    assert (first.offer, first.organisation, first.roles, first.name) == (a, b.address, 5, "Dr Ä")
    assert (second.organisation, second.number) == (b.address, "GMC:7654321")
    assert (first.valid_from, first.valid_until) == (NOW, NOW + 86_400)


def test_every_wrong_row_is_named_by_number_and_column(offers: tuple[Path, list[Offer]]) -> None:
    folder, _ = offers
    rows = [
        "none.json,=1+1,1234567890,surgeon,999,2026-02-30",
        "a.json,Dr A,1234567893,,,2025-12-31",
        "a.json,Dr A,1234567893,treating,1234567893,2030-01-01",
        "b.json,Hospital,1245319599,organisation,1245319599,2030-01-01",
        "c.json,Dr C,2234567891,emergency,0x12,2030-01-01",
    ]
    with pytest.raises(UsageError) as wrong:
        read(folder, *rows)
    named = [line.split(":")[0].strip() for line in str(wrong.value).splitlines()[1:]]
    assert named == [
        *(
            f"row 2, {column}"
            for column in ("file", "name", "number", "organisation", "roles", "valid_until")
        ),
        *(f"row 3, {column}" for column in ("file", "number", "roles", "valid_until")),
        *(f"row 4, {column}" for column in ("file", "number", "organisation")),
        "row 5, organisation",
        "row 6, organisation",
        "row 6, roles",
    ]


def test_a_file_with_another_shape_is_refused_as_a_whole(offers: tuple[Path, list[Offer]]) -> None:
    folder, _ = offers
    for heading in (HEADING.replace(",", ";"), HEADING + ",note", "", HEADING.replace("name", "Name")):
        with pytest.raises(UsageError, match="first row"):
            read(folder, heading=heading)
    with pytest.raises(UsageError, match="row 2: 5 cells"):
        read(folder, "a.json,Dr A,1234567893,treating,")
    with pytest.raises(UsageError, match="UTF-8"):
        read(folder, "a.json,Dr Ä,1234567893,treating,,2030-01-01", encoding="latin-1")
    with pytest.raises(UsageError, match="cannot be read"):
        read_providers(folder / "none.csv", lambda offer: None, NOW)


def test_an_offer_that_does_not_verify_is_named_with_its_row(offers: tuple[Path, list[Offer]]) -> None:
    folder, _ = offers

    def refuse(offer: Offer) -> None:
        raise CardInvalid("it is not signed by that account")

    (folder / "providers.csv").write_text(f"{HEADING}\na.json,Dr A,1234567893,treating,,2030-01-01\n")
    with pytest.raises(UsageError, match=r"row 2, file: a.json: it is not signed"):
        read_providers(folder / "providers.csv", refuse, NOW)


def test_the_role_that_needs_a_second_authority_has_no_word() -> None:
    assert 2 not in ROLES.values()


def test_a_row_is_done_only_while_card_and_credential_are_what_it_says(world: World) -> None:
    home, now = Home(world.home), world.chain.head().time
    offer, validity = world.desk("laboratory").offer(), (now - DAY, now + 9 * DAY)
    row = Applicant(offer, "Synthetic Laboratory", "GMC:1", ORGANISATION, None, *validity)
    assert standing(home, world.chain, row) is None
    (card,) = world.admin.onboard([row])
    assert standing(home, world.chain, row) is None
    terminal.write_new(made(home.card_file(card.address)), card.to_json().encode(), force=False)
    assert standing(home, world.chain, row) == card
    hospital = world.person("hospital").address
    for change in (
        {"name": "Another"},
        {"number": "GMC:2"},
        {"roles": ORGANISATION | 1},
        {"valid_until": now + DAY},
        {"organisation": hospital},
    ):
        assert standing(home, world.chain, replace(row, **change)) is None  # type: ignore[arg-type]
    world.admin.suspend(card.address)
    assert standing(home, world.chain, row) is None


# --- desks


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A hospital, its clinician, and a practice of its own; the patient has two general records."""
    made = make_world(tmp_path_factory.mktemp("world"))
    made.onboard("hospital", roles=ORGANISATION | 1)
    made.onboard("clinician", organisation="hospital")
    made.onboard("practice")
    made.desk("patient").enrol(["general", "hiv"])
    made.desk("patient").deposit(made.patient, [record("general"), record("general", b"more"), record("hiv")])
    return made


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def desk(world: World, who: str) -> Desk:
    me = world.person(who)
    world.chain.rpc.receipts.clear()  # a command's own connection begins with none
    return Desk(Home(world.home), world.chain, world.group, me, world.desk(who))


def enrol(world: World, who: str, **options: Any) -> None:
    unset = {
        "role": "patient",
        "output": None,
        "force": False,
        "admit": None,
        "member_of": None,
        "card": None,
    }
    enrolling.run(desk(world, who), **{**unset, **options})


def card_file(world: World, who: str, **changes: str) -> str:
    path = world.home / f"{who}{len(changes)}.json"
    path.write_text(replace(world.cards[who], **changes).to_json())  # type: ignore[arg-type]
    return str(path)


def test_an_organisation_admits_its_members_and_nobody_else(world: World) -> None:
    for who, to in (("hospital", "practice"), ("clinician", "hospital"), ("hospital", "hospital")):
        with pytest.raises(NotAllowed, match="no member"):
            enrol(world, who, admit=card_file(world, to), output=str(world.home / "refused"))
    with pytest.raises(CardInvalid):
        enrol(world, "hospital", admit=card_file(world, "clinician", name="Dr X"), output="refused")
    assert not (world.home / "refused").exists()


def test_a_member_takes_the_key_by_the_organisations_true_card(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(terminal.PASSPHRASE, PASSPHRASE)
    handed = str(world.home / "handed.json")
    enrol(world, "hospital", admit=card_file(world, "clinician"), output=handed)
    with pytest.raises(CardInvalid):
        enrol(world, "clinician", member_of=handed, card=card_file(world, "hospital", name="Dr X"))
    with pytest.raises(NotFound):
        enrol(world, "clinician", member_of=handed)
    address = world.person("clinician").address
    assert not Home(world.home).keyring_file(address).exists()
    enrol(world, "clinician", member_of=handed, card=card_file(world, "hospital"))
    kept = Home(world.home).keyring(address).organisations
    assert kept == {world.cards["hospital"].address: world.person("hospital").keyring.seed}


def test_options_of_a_grant_that_do_not_fit_each_other_are_refused(world: World) -> None:
    fitting: dict[str, Any] = {"kinds": ["general"], "record": None, "purposes": [], "until": None, "days": 9}
    fitting |= {"deposit": False, "members": False}
    patient, card = desk(world, "patient"), world.cards["clinician"]
    offered = granting.offer(patient, card, **fitting)
    assert (offered.purposes, offered.flags, offered.until % DAY) == (("TREAT",), 1, 0)
    assert granting.offer(patient, card, **{**fitting, "deposit": True, "members": True}).flags == 6
    for change in (
        {"kinds": []},
        {"days": None},
        {"until": NOW},
        {"deposit": True, "purposes": ["TREAT"]},
        {"record": "12345678", "kinds": ["general", "hiv"]},
        {"record": "12345678", "deposit": True},
    ):
        with pytest.raises(UsageError):
            granting.offer(patient, card, **{**fitting, **change})
    with pytest.raises(NotFound, match="no record"):
        granting.offer(patient, card, **{**fitting, "record": "12345678"})


def asked(**changes: Any) -> opening.Asked:
    unset = {
        "patient": None,
        "record": None,
        "kind": None,
        "purpose": "TREAT",
        "output": None,
        "force": False,
    }
    return opening.Asked(**{**unset, **changes})


def test_a_kind_that_has_several_records_opens_none_of_them(world: World, tmp_path: Path) -> None:
    file, patient = str(tmp_path / "record"), desk(world, "patient")
    with pytest.raises(UsageError, match="2 records of kind 'general'"):
        opening.list_or_open(patient, asked(kind="general", output=file))
    with pytest.raises(NotFound):
        opening.list_or_open(patient, asked(kind="mental-health", output=file))
    assert not list(tmp_path.iterdir())
    opening.list_or_open(patient, asked(kind="hiv", output=file))
    assert b'"kind":"hiv"' in Path(file).read_bytes()


def test_an_occupied_file_is_found_before_an_entry_is_written(world: World, tmp_path: Path) -> None:
    world.grant("clinician", "hiv")
    (tmp_path / "record").write_text("mine")
    of_hers = {"patient": world.person("patient").address, "kind": "hiv", "output": str(tmp_path / "record")}
    with pytest.raises(UsageError, match="--force"):
        opening.list_or_open(desk(world, "clinician"), asked(**of_hers))
    assert world.chain.entries(actor=world.person("clinician").address) == []
    opening.list_or_open(desk(world, "clinician"), asked(**of_hers, force=True))
    assert len(world.chain.entries(actor=world.person("clinician").address)) == 1


# --- memberships


def handed(world: World) -> Membership:
    hospital = world.person("hospital")
    return admit(world.chain.deployment, hospital.signer, hospital.keyring.seed, world.cards["clinician"])


def taken(world: World, membership: Membership, who: str = "clinician", card: str = "hospital") -> bytes:
    me = world.person(who)
    return take(
        world.chain.deployment,
        membership,
        me=me.address,
        my_seed=me.keyring.seed,
        card=world.cards[card],
    )


def test_a_member_takes_the_very_key_on_the_organisations_card(world: World) -> None:
    membership = Membership.from_json(handed(world).to_json())
    assert public_key(taken(world, membership)) == world.cards["hospital"].public_key
    assert world.person("hospital").keyring.seed.hex() not in membership.to_json()


def test_nobody_else_takes_it_not_even_under_the_members_name(world: World) -> None:
    with pytest.raises(NotThisMember):
        taken(world, handed(world), "stranger")
    stranger = world.person("stranger")
    with pytest.raises(MembershipInvalid, match="does not open"):
        take(
            world.chain.deployment,
            handed(world),
            me=world.person("clinician").address,
            my_seed=stranger.keyring.seed,
            card=world.cards["hospital"],
        )


def test_a_hand_over_that_the_organisation_did_not_make_is_refused(world: World) -> None:
    true, clinician = handed(world), world.person("clinician")
    altered = replace(true, wrapped=true.wrapped[:-1] + bytes([true.wrapped[-1] ^ 1]))
    with pytest.raises(MembershipInvalid, match="not signed"):
        taken(world, altered)
    forged = admit(world.chain.deployment, clinician.signer, bytes(32), world.cards["clinician"])
    with pytest.raises(MembershipInvalid, match="not signed"):
        taken(world, replace(forged, organisation=true.organisation))
    with pytest.raises(MembershipInvalid, match="the card of"):
        taken(world, true, card="clinician")
    with pytest.raises(MembershipInvalid, match="another deployment"):
        taken(world, replace(true, deployment=bytes(32)))


def test_an_organisation_cannot_slip_another_key_to_its_member(world: World) -> None:
    hospital = world.person("hospital")
    other = admit(world.chain.deployment, hospital.signer, b"\1" * 32, world.cards["clinician"])
    with pytest.raises(MembershipInvalid, match="not the key on the card"):
        taken(world, other)


def test_a_file_that_is_no_hand_over_is_refused(world: World) -> None:
    text = handed(world).to_json()
    for wrong in ("", "[]", "{}", text.replace("member 1", "member 2"), text.replace('"0x', '"0y')):
        with pytest.raises(MembershipInvalid):
            Membership.from_json(wrong)
