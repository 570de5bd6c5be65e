"""Every act of the contracts, in the gas bench: what is measured, with its target its floor."""

from __future__ import annotations

from typing import Any

from eth_utils.crypto import keccak

from bench._chain import DAY, START, YEAR, Bench, identity, word
from consentry.chain.manifest import shipped

NEW, CHANGED, CLEARED, READ, CALL, RECOVER = 22_100, 5_000, 4_800, 2_100, 2_600, 3_000
TREATING, EMERGENCY, REVIEWER, ORGANISATION = 1, 2, 16, 0x8000
READ_FLAG, MEMBERS_FLAG, TREAT = 1, 4, 1
ZERO = bytes(32)


def deploy(b: Bench) -> None:
    """The contracts, in the order in which they name each other."""

    def one(name: str, *arguments: Any) -> None:
        b.rows.append(b.deploy("authority", name, *shipped(name), *arguments))

    one("ProviderRegistry", [b.person(f"{which}authority").address for which in ("", "second ", "third ")])
    one("ConsentRegistry", b.contracts["ProviderRegistry"].address)
    one("RecordRegistry")
    one("AccessLog", b.contracts["ConsentRegistry"].address)


def credential(b: Bench, who: str, roles: int, organisation: str = "") -> tuple[Any, ...]:
    """A year's credential for a person of the bench."""
    of = b.person(organisation).address if organisation else "0x" + "00" * 20
    return (b.person(who).address, START, START + YEAR, roles, of, word(f"card of {who}"))


def onboarding(b: Bench) -> None:
    """An authority issues, suspends, reinstates, retires."""
    hospital = credential(b, "hospital", ORGANISATION)
    practice = credential(b, "practitioner", TREATING)
    member = credential(b, "member", TREATING, "hospital")
    many = [credential(b, f"provider {i}", TREATING, "hospital") for i in range(100)]
    issue = ("authority", "ProviderRegistry", "issue")
    b.act(*issue, hospital, row="credential, organisation", slots=READ + NEW, target=52_000)
    b.act(*issue, practice, row="credential, practitioner", slots=READ + NEW, target=52_000)
    b.act(*issue, member, row="credential, member", slots=2 * READ + NEW, target=54_500)
    batch = ("authority", "ProviderRegistry", "issueBatch", many)
    b.act(*batch, row="credential, 100 members", slots=100 * NEW + 2 * READ)
    for step in ("suspend", "reinstate", "retire"):
        b.act("authority", "ProviderRegistry", step, many[0][0], row=step, slots=READ + CHANGED)
    emergency = credential(b, "practitioner", TREATING | EMERGENCY)
    # The proposal is read and cleared, which gives gas back; its proposer has to be an authority still.
    agreed = 2 * READ + CHANGED - CLEARED
    new = "0x" + "44" * 20
    two = (
        ("issueEmergency", emergency, "emergency credential", READ + NEW, agreed + CHANGED + NEW),
        # Its tenure; the list of those that joined, in length and with one more; how many stay.
        ("addAuthority", new, "authority", 2 * READ + NEW, agreed + 3 * NEW + CHANGED),
    )
    for function, what, name, first, second in two:
        for who, step, slots in (("authority", "proposed", first), ("second authority", "agreed", second)):
            b.act(who, "ProviderRegistry", function, what, row=f"{name}, {step}", slots=slots)


def consents(b: Bench) -> None:
    """A patient grants and revokes in each way."""
    me = identity(b.person("patient"))
    ids = [word(f"grant {i}") for i in range(110)]
    act = ("patient", "ConsentRegistry")
    b.act(*act, "revokeAll", me, row="revokeAll, first", slots=NEW)
    b.act(*act, "revokeAll", me, row="revokeAll", slots=CHANGED, target=29_000)
    b.act(*act, "grant", me, ids[0], row="grant", slots=READ + NEW, target=49_000)
    b.act(*act, "revoke", me, ids[0], row="revoke", slots=READ + CHANGED, target=31_500)
    b.act(*act, "revoke", me, ids[1], row="revoke, unseen", slots=READ + NEW, target=48_500)
    signed = (me, bytes.fromhex(b.person("patient").address[2:]))
    domain = b.view("ConsentRegistry", "domainSeparator")
    control = b.view("ConsentRegistry", "controlDomainSeparator")
    revocation = keccak(keccak(text="Revoke(bytes32 patient,bytes32 grantId)") + me + ids[2])
    by_sig = ("sponsor", "ConsentRegistry", "grantBySig", *signed, ids[2], sign(b, domain, ids[2]))
    b.act(*by_sig, row="grantBySig", slots=READ + NEW + RECOVER, target=56_000)
    by_sig = ("sponsor", "ConsentRegistry", "revokeBySig", *signed, ids[2], sign(b, control, revocation))
    b.act(*by_sig, row="revokeBySig", slots=READ + CHANGED + RECOVER)
    everything = b.view("ConsentRegistry", "epochOf", me).to_bytes(32)
    all_of_it = keccak(keccak(text="RevokeAll(bytes32 patient,uint64 epoch)") + me + everything)
    by_sig = ("sponsor", "ConsentRegistry", "revokeAllBySig", *signed, sign(b, control, all_of_it))
    b.act(*by_sig, row="revokeAllBySig", slots=CHANGED + RECOVER)
    b.act(*act, "grant", me, ids[3])
    b.act(*act, "renew", me, ids[3], ids[4], row="renew", slots=READ + CHANGED + NEW)
    b.act(*act, "setOptOut", me, 8, row="setOptOut", slots=CHANGED)
    b.act(*act, "setOptOut", me, 0)
    b.act(*act, "grantMany", me, ids[10:], row="grantMany, 100", slots=READ + 100 * NEW, target=2_600_000)
    key = b"".join(word(f"key {i}") for i in range(38))
    b.act(*act, "setEncryptionKey", me, 0x647A, key, row="setEncryptionKey, X-Wing", slots=READ + NEW)
    ward = identity(b.person("ward"))
    step = ("ward", "ConsentRegistry", "setController", ward, b.person("patient").address)
    b.act(*step, row="setController", slots=NEW)


def identities(b: Bench) -> None:
    """A ward's guardian and trustees do what they are for."""
    me, act = identity(b.person("child")), "ConsentRegistry"
    at = {name: b.person(name).address for name in ("parent", "heir", "aunt", "teacher", "doctor")}
    trustees = sorted((at["aunt"], at["teacher"], at["doctor"]), key=str.lower)
    plan = (at["heir"], "0x" + "00" * 20, 0, "0x" + "00" * 20)
    # An array's length and three members, and one word for threshold and delay; the round.
    b.act("child", act, "setTrustees", me, trustees, 2, 86_400, row="setTrustees, 3", slots=READ + 6 * NEW)
    step = ("child", act, "setGuardian", me, at["parent"], START + YEAR, at["heir"])
    b.act(*step, row="setGuardian", slots=3 * NEW)
    b.act("parent", act, "grant", me, word("grant"), row="grant, by a guardian", slots=2 * READ + NEW)
    for name, row in (("aunt", "supportRecovery, first"), ("teacher", "supportRecovery, last")):
        slots = 3 * READ + (NEW if name == "aunt" else CHANGED)
        b.act(name, act, "supportRecovery", me, plan, row=row, slots=slots)
    b.now += 86_400
    b.act("sponsor", act, "executeRecovery", me, plan, row="executeRecovery", slots=READ + 3 * CHANGED)


def sign(b: Bench, domain: bytes, message: bytes) -> bytes:
    """The patient's signature over a typed message."""
    return b.sign("patient", keccak(b"\x19\x01" + domain + message))


def requests(b: Bench) -> None:
    """A practitioner under its own grant, and a member under its organisation's, ask for records."""
    ways = {"own": ("practitioner", "practitioner", READ_FLAG)}
    ways["organisation"] = ("member", "hospital", READ_FLAG | MEMBERS_FLAG)
    me = identity(b.person("patient"))
    epoch = b.view("ConsentRegistry", "epochOf", me)
    for way, (actor, grantee, flags) in ways.items():
        to = identity(b.person(grantee))
        dates = (START, START + YEAR)
        terms = (me, to, word("segment"), ZERO, TREAT, flags, *dates, epoch, word(f"reading {way}"))
        b.act("patient", "ConsentRegistry", "grant", me, b.view("ConsentRegistry", "grantIdOf", terms))
        read = (READ + CALL) * 2 + READ + (READ if way == "organisation" else 0)
        counts = [("first", 1, NEW, 75_500), ("", 1, CHANGED, 58_000), ("10 records", 10, CHANGED, None)]
        counts += [("100 records", 100, CHANGED, 480_000)]
        for label, count, head, target in counts:
            salts = [word(f"{way} {label} {i}") for i in range(count)]
            rest = (TREAT, word("reply key"), word("agent"))
            row = ", ".join(filter(None, ["request", way, label]))
            b.act(
                actor, "AccessLog", "request", terms, salts, *rest, row=row, slots=read + head, target=target
            )
        signed = (*terms[:9], word(f"reading at the bedside {way}"))
        grant_id = b.view("ConsentRegistry", "grantIdOf", signed)
        signature = sign(b, b.view("ConsentRegistry", "domainSeparator"), grant_id)
        proof = (bytes.fromhex(b.person("patient").address[2:]), signature)
        act = (actor, "AccessLog", "requestWithSignature", signed, [word("bedside")], *rest, *proof)
        slots = read + CHANGED + NEW + RECOVER - READ
        b.act(*act, row=f"requestWithSignature, {way}", slots=slots, target=90_000)


def anchors(b: Bench) -> None:
    """A hospital anchors a record, its successor, and batches of a hundred; and erases."""
    ids = [word("record"), word("record, corrected")]
    act = ("hospital", "RecordRegistry")
    b.act(*act, "anchor", ids[0], word("anchor"), row="anchor", slots=NEW, target=47_500)
    b.act(*act, "supersede", *ids, word("anchor, corrected"), row="supersede", slots=READ + NEW + NEW)
    b.act(*act, "markErased", ids[0], row="markErased", slots=READ + NEW)
    for label, slots, target in (("first of a page", NEW, None), ("", CHANGED, 32_000)):
        row = ", ".join(filter(None, ["anchorBatch, 100 records", label]))
        b.act(*act, "anchorBatch", 1, word(f"root {label}"), 100, row=row, slots=slots, target=target)


def glass(b: Bench) -> None:
    """Two people break the glass, and a third reviews."""
    b.act("authority", "ProviderRegistry", "issue", credential(b, "reviewer", REVIEWER))
    for authority in ("authority", "second authority"):
        emergency = credential(b, "confirmer", TREATING | EMERGENCY)
        b.act(authority, "ProviderRegistry", "issueEmergency", emergency)
    b.now += DAY
    asked = [word(each) for each in ("patient", "segment", "reason", "reply key", "agent")]
    roles = 2 * CALL + 2 * READ
    slots = 2 * NEW + CHANGED + roles + 2 * READ
    b.act("practitioner", "AccessLog", "requestBreakGlass", *asked, row="requestBreakGlass", slots=slots)
    access = b.view("AccessLog", "headOf", b.person("practitioner").address)
    act = ("confirmer", "AccessLog", "confirmBreakGlass", access)
    b.act(*act, row="confirmBreakGlass, first", slots=5 * NEW + CHANGED + roles + 2 * READ)
    act = ("reviewer", "AccessLog", "reviewBreakGlass", access, True, word("note"))
    b.act(*act, row="reviewBreakGlass, first", slots=2 * NEW + CHANGED + roles + 6 * READ)


ACTS = (deploy, onboarding, consents, identities, requests, anchors, glass)
