"""The keyholders change: a newcomer replaces one of them, by the commands that institutions type, and whoever
has no part in it, or a false one, tries to get something out of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace

from consentry.cli.drill.entries import written
from consentry.cli.drill.keepers import forged_share, held, lying, record_key
from consentry.cli.drill.tries import Drill, several
from consentry.cli.services import free_ports
from consentry.client import Group
from consentry.envelope.handing import Holding
from consentry.envelope.leaf import Leaf, data_key
from consentry.errors import ConsentryError
from consentry.files import write_private
from consentry.keyholder.handover import What, asked, handover_info
from consentry.keyholder.local import passphrase_of
from consentry.keyholder.messages import Call, Keyholder
from consentry.keyholder.place import Place, signer_of
from consentry.keyholder.roster import Roster
from consentry.keys import shamir
from consentry.keys.hpke import new_seed, unwrap
from consentry.keys.keyring import Keyring

_GOES, _COMES, _LIAR = 4, 6, 2
_FILE = "next.json"


def play(drill: Drill) -> None:
    """All of it; from then on the stage has the new keyholders."""
    folder, left = drill.services.folder, drill.stage.keyholders[_GOES - 1]
    newcomer = _newcomer(drill)
    opened, _ = drill.opened()
    drill.note("the clinician opens", f"{opened.size:,} bytes", f"opened by {several(opened.keyholders)}")
    _type(drill, "propose", _FILE, "--remove", str(_GOES), "--add", f"{_COMES}/card.json", by=[1])
    _type(drill, "approve", _FILE, "--yes", by=[1, 2])
    _let_in_by_two(drill, newcomer, Roster.read(folder / _FILE))
    _type(drill, "approve", _FILE, "--yes", by=[3, 4, 5])
    after = Roster.read(folder / _FILE)
    _let_in_by_others(drill, newcomer, after)
    with lying(drill, _LIAR, forged_share):
        _type(drill, "join", _FILE, by=[_COMES, 1, 2, 3, 5])
    _unstopped(drill, after.keys, "have joined, and those before go on serving")
    _disks(drill, after)
    _follow(drill, after)
    _handed_on_wrong(drill)
    _gone(drill, left)
    _two_killed(drill)


def _newcomer(drill: Drill) -> Keyring:
    """Makes the keys of an institution of its own, and its card."""
    services = drill.services
    place = Place(services.folder / str(_COMES))
    write_private(place.path / "passphrase", new_seed().hex().encode())
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    _type(drill, "init", "--name", f"keyholder {_COMES}", "--url", url, by=[_COMES])
    shutil.copy(services.folder / "1" / "deployments.json", place.path)
    return place.keyring(passphrase_of(place))


def _type(drill: Drill, *words: str, by: Sequence[int]) -> None:
    """Some of the institutions type a command, one after the other."""
    first, *others = by
    drill.stage.tell.typed(["consentry", "keyholder", words[0], "--home", str(first), *words[1:]])
    for index in by:
        drill.services.type(index, *words)
    if others:
        drill.stage.tell.done(f"... and so did {several(others)}")


def _unstopped(drill: Drill, who: Collection[int], what: str) -> None:
    """The clinician opens meanwhile."""
    try:
        opened, whole = drill.opened()
        got, met = "" if whole else "other bytes", f"opened by {several(opened.keyholders)}, byte for byte"
    except ConsentryError as error:
        got, met = f"the reading stopped: {type(error).__name__}", ""
    drill.line(f"keyholders {several(who)}", f"{what}: is a reading stopped?", got, met)


# --- who is let in


def _let_in_by_two(drill: Drill, newcomer: Keyring, some: Roster) -> None:
    who, deployment = f"keyholder {_COMES}, the newcomer,", drill.stage.chain.deployment
    _pages(drill, who, "asks for what they hold, with the approval of two of five", newcomer, some)
    own = signer_of(newcomer).sign_typed_data(some.approval(deployment))
    forged = replace(some, approvals={**dict.fromkeys(some.dealers, own), **some.approvals})
    _pages(drill, who, "signs in the place of the three others", newcomer, forged)


def _let_in_by_others(drill: Drill, newcomer: Keyring, after: Roster) -> None:
    who = f"keyholder {_COMES}, the newcomer,"
    what = "changes the file that all approved: one keyholder shall be enough"
    _pages(drill, who, what, newcomer, replace(after, threshold=1))
    stranger = Keyring(signing_key=new_seed())
    _pages(drill, "a stranger", "asks for what they hold, with the file that all approved", stranger, after)


def _pages(drill: Drill, who: str, what: str, keys: Keyring, to: Roster) -> None:
    """Asks each dealer to hand over to those of ``to``; what comes back is opened with ``keys``."""
    deployment, signer = drill.stage.chain.deployment, signer_of(keys)
    body = asked(json.dumps(to.to_json()).encode(), What.ENVELOPES, bytes(32))

    def ask(keyholder: Keyholder) -> bytes:
        call = Call.signed(deployment, signer, keyholder.card, "hand_over", body)
        info = handover_info(deployment, to, keyholder.card.index, _COMES)
        return unwrap(keyholder.hand_over(call).sealed, keys.seed, info)

    drill.line(who, what, *drill.asked(signer.address, ask))


# --- fewer than are needed, before and after


def _disks(drill: Drill, after: Roster) -> None:
    """Old shares and new values lie on the disks side by side until those before have let go."""
    got, met = _put_together(drill, after, before=(_GOES, 5), now=(5, _COMES))
    what = "put their disks together: two of those before, two of those after"
    drill.line(f"keyholders {several((_GOES, 5, _COMES))}", what, got, met)
    three = _put_together(drill, after, before=(), now=(1, 5, _COMES))
    drill.note("three of those after put theirs together", *three)


def _put_together(
    drill: Drill, after: Roster, before: Collection[int], now: Collection[int]
) -> tuple[str, str]:
    """What the clinician gets who has all that some held ``before`` and some hold ``now``: every value of the
    record, and what each dealer's values lead to."""
    listing, generation = drill.listing, after.generation
    theirs = {index: held(drill, index, listing.record_id, generation) for index in now}
    [*_, one] = theirs.values()
    leaf = Leaf.decode(one.open_part, one.sealed_part)
    holdings = {index: Holding.decode(one.share).values for index, one in theirs.items()}
    values = {held(drill, index, listing.record_id).share for index in before}
    for path in next(iter(holdings.values())):
        points = {index: found[path] for index, found in holdings.items()}
        values |= {*points.values(), shamir.evaluate(points, 0)}
    shares = {
        index: value
        for index, committed in enumerate(leaf.share_commitments, 1)
        for value in values
        if shamir.commitment(leaf.record_id, index, value) == committed
    }
    assert after.previous is not None
    need, met = (
        after.previous.threshold,
        f"{len(values)} values; {len(shares)} of them are shares of the record",
    )
    if len(shares) < need:
        return "", f"{met}, and {need} are needed"
    key = data_key(listing.place, leaf, listing.half, dict(list(shares.items())[:need]))
    return f"the data key, {len(key)} bytes", met


# --- when the new ones serve


def _follow(drill: Drill, after: Roster) -> None:
    """The file is given to everybody, and those that it names start anew."""
    stage = drill.stage
    stage.keyholders = drill.services.follow(after, stage.chain)
    stage.group = Group(stage.group.deployment, after, stage.keyholders)
    words = several(after.keys)
    stage.tell.done(f"keyholders {words} serve; their keyholders.json is {_FILE} now, and everybody's")


def _handed_on_wrong(drill: Drill) -> None:
    """Nobody that joined could see it; the reader does, by what the others handed on."""
    named = f"keyholder {_LIAR} did not hand on what it had been dealt"
    try:
        opened, whole = drill.opened()
        well = {"is not named": named in opened.cheats, "the bytes are others": whole}
        got = "; ".join(what for what, holds in well.items() if not holds)
        met = "" if got else f"{named}; opened by {several(opened.keyholders)}, byte for byte"
    except ConsentryError as error:
        got, met = f"the reading stopped: {type(error).__name__}", ""
    drill.line(f"keyholder {_LIAR}", "hands on another share than it was dealt", got, met)


def _gone(drill: Drill, left: Keyholder) -> None:
    """The one that left goes on serving as if nothing had been; then it lets go of what it held."""
    listing, clinician = drill.listing, drill.stage.people["clinician"].address
    mine = written(drill, listing.grant.granted.terms, listing.record_salt)
    before = drill.taken(clinician, mine.calls(), mine.seed, left)
    drill.note(f"keyholder {_GOES} is asked by a true entry before it lets go", *before)
    key = record_key(drill, _GOES, listing.record_id)
    there = _found(drill, key)
    _type(drill, "leave", _FILE, "--yes", by=[1, 2, 3, 5, _GOES])
    met = drill.taken(clinician, mine.calls(), mine.seed, left)
    drill.line(f"keyholder {_GOES}", "is asked by that entry after it let go", *met)
    what = f"looks on keyholder {_GOES}'s disk for the key to its share"
    found = _found(drill, key)
    drill.line("a stranger", what, found, "" if found else f"it lay in {there}, and was destroyed")


def _found(drill: Drill, secret: bytes) -> str:
    """The files on the disk of the one that left in which ``secret`` stands."""
    files = (drill.services.folder / str(_GOES)).rglob("*")
    return ", ".join(sorted(file.name for file in files if file.is_file() and secret in file.read_bytes()))


def _two_killed(drill: Drill) -> None:
    drill.services.kill(1, 3)
    _unstopped(drill, (1, 3), "of those after are killed")
    drill.services.start(1, 3)
