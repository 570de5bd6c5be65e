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

from consentry.cli import cli, opening, terminal
from consentry.cli.arguments import ADDRESS, DAY_TYPE, IDENTIFIER, pick
from consentry.cli.home import Home
from consentry.cli.providers import ROLES, is_npi, read_providers
from consentry.consent.card import Offer
from consentry.consent.membership import Membership, MembershipInvalid, NotThisMember, admit, take
from consentry.errors import CardInvalid, FindingsError, KeyringLocked, NoGrant, NotFound, UsageError
from consentry.keys.hpke import public_key
from tests.support.world import World, make_world

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


def test_where_the_record_goes_is_settled_before_it_is_asked_for(tmp_path: Path) -> None:
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


# --- memberships


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"))
    made.onboard("hospital", roles=0x8001)
    made.onboard("clinician", organisation="hospital")
    return made


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
