"""The report, parsed: it tells what the chain tells, each thing once, and lets nothing foreign speak."""

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from consentry.consent.terms import Terms
from consentry.evidence import Attempt, Consent, Finding, Report, write_report
from consentry.evidence.report import render
from tests.support.told import HOSTILE, STAFF, Told, told

VOID = {"meta", "br", "hr", "img", "link", "input"}


@dataclass
class Element:
    """One element of the page."""

    tag: str
    attributes: dict[str, str | None]
    children: list["Element | str"] = field(default_factory=list)

    def all(self, tag: str = "", **attributes: str) -> list["Element"]:
        """The elements in it with this tag that carry these attributes (``data_x="*"``: any value)."""
        return [one for one in self._walk() if tag in ("", one.tag) and one.has(attributes)]

    def has(self, attributes: dict[str, str]) -> bool:
        for name, wanted in attributes.items():
            name = name.strip("_").replace("_", "-")
            if name not in self.attributes or wanted not in ("*", self.attributes[name]):
                return False
        return True

    def _walk(self) -> Iterator["Element"]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._walk()

    @property
    def text(self) -> str:
        """Its text as a reader sees it, runs of space as one."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join(" ".join(parts).split())

    def cell(self, label: str) -> "Element":
        """The cell of a row under the column ``label``."""
        (found,) = self.all(data_label=label)
        return found


class Parser(HTMLParser):
    """Builds the tree; fails where a tag is not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open = [Element("", {})]
        self.feed(page)
        self.close()
        assert len(self.open) == 1, f"not closed: {[one.tag for one in self.open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute stands twice in {tag}"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(report: Report) -> Element:
    return Parser(render(report)).open[0]


@pytest.fixture(scope="module")
def story() -> Told:
    return told()


@pytest.fixture(scope="module")
def page(story: Told) -> Element:
    return parsed(story.clean)


def events(story: Told, contract: str, *names: str) -> list[Any]:
    """Events as any other program would read them."""
    found = story.world.chain.rpc._contracts[contract].events
    return [log for name in names for log in found[name].get_logs(from_block=0)]


def time_of(story: Told, block: int) -> str:
    at = story.world.web3.eth.get_block(block)["timestamp"]
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def datetime_in(cell: Element) -> str | None:
    return cell.all("time")[0].attributes["datetime"]


# --- the same as the chain


def test_every_entry_on_chain_is_on_the_page_once_and_nothing_else_is(story: Told, page: Element) -> None:
    on_chain = {"0x" + log["args"]["accessId"].hex(): log for log in events(story, "AccessLog", "Requested")}
    rows = {row.attributes["data-access-id"]: row for row in page.all(data_access_id="*")}
    assert len(page.all(data_access_id="*")) == len(rows) == len(on_chain) == 6
    assert set(rows) == set(on_chain)
    for access_id, log in on_chain.items():
        row, args = rows[access_id], log["args"]
        assert datetime_in(row.cell("When")) == time_of(story, log["blockNumber"])
        assert f"block {log['blockNumber']}" in row.cell("When").text
        assert args["actor"] in row.cell("Who").text
        assert "0x" + args["grantId"].hex()[:8] in row.cell("On whose grant").text
        assert "0x" + args["recordId"].hex()[:8] in row.cell("Record").text
        kind = "Substance use" if args["grantId"] == story.grants["revoked"] else "General"
        assert row.cell("Record").text.startswith(kind)
        purposes = {1: "treatment", 2: "healthcare payment", 4: "healthcare operations"}
        assert row.cell("For").text == purposes[args["purpose"]]


def test_every_grant_and_revocation_on_chain_is_on_the_page_once(story: Told, page: Element) -> None:
    logs = events(story, "ConsentRegistry", "ConsentGranted", "ConsentRevoked")
    on_chain = {(log["args"]["patient"].hex(), log["args"]["grantId"].hex()) for log in logs}
    rows = page.all("tr", data_grant_id="*")
    named = [(row.attributes["data-patient"], row.attributes["data-grant-id"]) for row in rows]
    assert sorted(named) == sorted(("0x" + patient, "0x" + grant) for patient, grant in on_chain)
    assert len(rows) == 9


def test_each_grant_shows_how_and_when_it_ended(story: Told, page: Element) -> None:
    rows = {row.attributes["data-grant-id"]: row for row in page.all("tr", data_grant_id="*")}
    states = {name: rows["0x" + grant.hex()].cell("State").text for name, grant in story.grants.items()}
    starts = {"void": "never held", "unseen": "revoked in advance", "hospital": "all revoked"}
    starts |= {name: name for name in ("expired", "revoked", "all revoked")}
    assert states.pop("again") == "in force"
    for name, state in states.items():
        assert state.startswith(starts[name])
    (revoked,) = [
        log
        for log in events(story, "ConsentRegistry", "ConsentRevoked")
        if log["args"]["grantId"] == story.grants["revoked"]
    ]
    ended = rows["0x" + story.grants["revoked"].hex()].cell("State")
    assert datetime_in(ended) == time_of(story, revoked["blockNumber"])


def test_a_grant_shows_who_what_and_the_sentence_that_was_signed(story: Told, page: Element) -> None:
    (row,) = page.all("tr", data_grant_id="0x" + story.grants["hospital"].hex())
    hospital = story.world.person("hospital").address
    assert row.cell("Who").text.startswith("Test hospital register number 1234567893")
    assert hospital in row.cell("Who").text
    assert row.cell("What").text.startswith("General may read, also through its staff")
    assert row.cell("For").text == "treatment, healthcare operations"
    own = story.world.desk("patient").my_grants()[story.grants["hospital"]]
    assert own.reading.sentence in [quote.text for quote in page.all("q")]


def test_staff_is_shown_with_the_organisation_whose_grant_it_used(story: Told, page: Element) -> None:
    """And with what it claims of itself as a claim."""
    rows = page.all(data_access_id="*")
    newest, oldest = rows[0], rows[-1]
    assert "Test clinician" in oldest.cell("Who").text
    assert "Test hospital" in oldest.cell("On whose grant").text
    assert "its own" in newest.cell("On whose grant").text
    assert ["a claim, not proven" in row.cell("Who").text for row in rows].count(True) == 1
    assert "0x" + STAFF.hex()[:8] in rows[1].cell("Who").text


def test_an_access_shows_how_many_keyholders_released(page: Element) -> None:
    rows = page.all(data_access_id="*")
    assert [row.cell("Keyholders").text.split(" no.")[0] for row in rows] == [
        "2 of 5",
        "0 of 5",
        *["3 of 5"] * 4,
    ]
    verdicts = ["incomplete", "no release", *["released"] * 4]
    assert [row.cell("Verdict").text for row in rows] == [f"{verdict} lawful" for verdict in verdicts]


def test_an_unlawful_access_says_why(story: Told) -> None:
    first, *others = story.clean.accesses
    report = replace(story.clean, accesses=[replace(first, lawful=False, why_not="because"), *others])
    assert "not lawful because" in parsed(report).all(data_access_id="*")[-1].cell("Verdict").text


def test_a_patients_own_page_is_about_her_alone(story: Told) -> None:
    stranger = story.world.person("stranger")
    page = parsed(story.audit(patient=stranger.identity))
    assert page.all(data_access_id="*") == page.all(data_grant_id="*") == []
    assert "Nobody has access now." in page.text
    assert "Nobody looked" in page.text
    assert f"Patient {stranger.address}" in page.text


def test_refused_tries_show_the_caller_as_a_claim(story: Told, page: Element) -> None:
    (row,) = page.all(data_tries="*")
    assert row.cell("Who, as claimed").text.startswith("says it is Northfield Test Clinic")
    assert story.world.person("stranger").address in row.cell("Who, as claimed").text
    assert row.cell("Why it was refused").text == "the caller's credential did not count"


def test_tries_that_are_alike_stand_in_one_row(story: Told) -> None:
    tries = [Attempt(at, "release", "0x" + "11" * 20, "age", (index,)) for index, at in ((1, 60), (3, 180))]
    (row,) = parsed(replace(story.clean, attempts=tries)).all(data_tries="2")
    assert datetime_in(row.cell("When")) == "1970-01-01T00:03:00Z"
    assert "2 times, first 1 Jan 1970" in row.cell("When").text
    assert row.cell("Noted by").text == "no. 1, 3"


# --- what it says


def test_a_clean_page_says_so_and_lists_what_was_verified(story: Told, page: Element) -> None:
    assert "Everything that was checked holds. There are no findings." in page.text
    assert page.all(id="findings") == page.all(data_finding="*") == []
    (section,) = page.all(id="verified")
    assert [item.text for item in section.all("li")] == story.clean.verified
    (notes,) = page.all(id="notes")
    assert [item.text for item in notes.all("li")] == story.clean.notes


def test_findings_stand_first_and_in_red(story: Told) -> None:
    findings = [Finding("record 0x12345678", "its blob was altered"), Finding("journal of x", "it was cut")]
    page = parsed(replace(story.clean, findings=findings))
    assert "2 findings. Something is not as it must be." in page.text
    assert "Everything that was checked holds" not in page.text
    assert [item.text.replace(" :", ":") for item in page.all(data_finding="*")] == [
        f"{finding.where}: {finding.what}" for finding in findings
    ]
    assert page.all("section")[0].attributes["id"] == "findings"
    assert len(page.all(_class="verdict bad")) == 1
    assert "--bad: #9b1c1c" in render(story.clean)


def test_the_page_says_what_cannot_be_prevented(page: Element) -> None:
    (section,) = page.all(id="limits")
    for said in (
        "does not make a reader forget",
        "every key release, not every look",
        "label can be read without an entry",
        "3 keyholders that cheat together defeat the log",
        "stolen wallet is the patient until it is recovered",
        "that the contract refuses leaves no trace",
    ):
        assert said in section.text


def test_the_page_says_what_it_cost_where_that_is_known(story: Told, page: Element) -> None:
    assert page.all(id="cost") == []
    gas = [("AccessLog.request", 75_210), ("ConsentRegistry.grant", 48_523), ("AccessLog.request", 58_010)]
    (section,) = parsed(replace(story.clean, gas=gas)).all(id="cost")
    rows = [row.text for row in section.all("tr")[1:]]
    assert rows == ["AccessLog.request 2 75,210 58,010", "ConsentRegistry.grant 1 48,523 48,523"]


def test_the_page_says_which_chain_it_is_about_and_how_to_check_it(story: Told, page: Element) -> None:
    (footer,) = page.all("footer")
    deployment = story.world.chain.deployment
    for fact in (str(deployment.chain_id), "0x" + deployment.genesis.hex(), deployment.registry):
        assert fact in footer.text
    assert f"Head block {story.clean.head}," in footer.text
    assert "ape run audit" in footer.text


def test_an_end_beyond_all_calendars_is_no_end(story: Told) -> None:
    endless = Terms(bytes(32), bytes(32), bytes(32), bytes(32), 1 | 1 << 31, 1, 0, 2**40 - 1, 0, bytes(32))
    consent = Consent(bytes(32), endless.grant_id, 1, 0, "", endless, "")
    (row,) = parsed(replace(story.clean, consents=[consent])).all("tr", data_grant_id="*")
    assert row.cell("Until").text == "no end"
    assert row.cell("For").text == "treatment, purpose 31, which has no name"


# --- nothing foreign speaks


def test_a_hostile_name_is_only_a_name(story: Told, page: Element) -> None:
    assert HOSTILE in [name.text for name in page.all("bdi")]
    assert page.all("script") == page.all("b") == []
    assert len(page.all("style")) == 1


def test_a_name_cannot_turn_the_letters_around_it(story: Told) -> None:
    """No card of an authority holds such marks; whoever makes a report might."""
    address, card = next(iter(story.clean.cards.items()))
    turned = replace(card, name="Clinic \u202etset", number="1\u20662\n3")
    text = render(replace(story.clean, cards={address: turned}))
    assert "\u202e" not in text
    assert "Clinic \ufffdtset" in text
    assert "1\ufffd2\ufffd3" in text


@pytest.mark.parametrize("field_name", ["where", "what"])
def test_hostile_words_of_a_keyholder_are_only_words(story: Told, field_name: str) -> None:
    bad = '"><img src=x onerror=alert(1)>\x00\x1b[31m'
    finding = replace(Finding("here", "this"), **{field_name: bad})
    attempt = Attempt(-(10**18), bad, bad, bad, (1,))
    report = replace(story.clean, findings=[finding], notes=[bad], attempts=[attempt], gas=[(bad, 1)])
    report.journals, report.verified = {1: bad}, [bad]
    page = parsed(report)
    assert page.all("img") == []
    assert "\x00" not in page.text
    assert "\x1b" not in page.text
    (row,) = page.all(data_tries="1")
    assert '"><img src=x onerror=alert(1)>' in row.cell("What").text


def test_a_name_that_is_no_text_at_all_can_be_written(story: Told, tmp_path: Path) -> None:
    finding = Finding("\ud800", "half a character")
    write_report(replace(story.clean, findings=[finding]), tmp_path / "report.html")
    assert "half a character" in (tmp_path / "report.html").read_text("utf-8")


def test_the_page_asks_for_nothing_from_anywhere(story: Told, page: Element) -> None:
    for element in page.all():
        assert element.tag not in {"script", "link", "img", "iframe", "form", "object", "embed", "base"}
        for name, value in element.attributes.items():
            assert not name.startswith("on"), f"{element.tag} has {name}"
            assert name not in {"src", "style", "srcset", "action", "background"}
            assert name != "href" or (value or "").startswith("#")
    style = page.all("style")[0].text
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"https?:|//[a-z]", render(story.clean))


def test_the_pages_policy_allows_its_own_style_and_nothing_else(story: Told) -> None:
    text = render(story.clean)
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (meta,) = parsed(story.clean).all("meta", http_equiv="Content-Security-Policy")
    assert meta.attributes["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert text.index("Content-Security-Policy") < text.index("<style>")


# --- for everybody


def test_the_page_can_be_read_aloud(page: Element) -> None:
    """A language, one h1, no level left out, column heads with a scope, labels that name what there is."""
    assert page.all("html")[0].attributes["lang"] == "en"
    levels = [int(one.tag[1]) for one in page.all() if re.fullmatch("h[1-6]", one.tag)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    assert all(one.attributes.get("scope") in ("col", "row") for one in page.all("th"))
    ids = [one.attributes["id"] for one in page.all(id="*")]
    assert len(ids) == len(set(ids))
    for section in page.all("section"):
        assert section.attributes["aria-labelledby"] in ids
    for link in page.all("a"):
        assert (link.attributes["href"] or "")[1:] in ids
    for one in page.all("time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one.attributes["datetime"] or "")


def test_each_cell_names_its_column_for_narrow_screens(page: Element) -> None:
    assert page.all("table")
    for table in page.all("table"):
        assert len(table.all("caption")) == 1
        heads = [head.text for head in table.all("th", scope="col")]
        for row in table.all("tr"):
            labels = [cell.attributes["data-label"] for cell in row.all(data_label="*")]
            assert labels in (heads, [])


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark", "paper"])
def test_all_letters_stand_out_from_their_ground(story: Told, theme: int) -> None:
    """WCAG 2.2, 1.4.3 at AA: 4.5 to 1."""
    block = re.findall(r":root \{(.*?)\}", render(story.clean), re.DOTALL)[theme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    assert len(colours) == 14
    pairs = [(name, f"{name}-sheet") for name in ("good", "bad", "warn", "over")]
    pairs += [(name, ground) for name in ("ink", "soft", "link") for ground in ("page", "sheet")]
    pairs += [("good", "sheet"), ("ink", "bad-sheet")]
    for letters, ground in pairs:
        light, dark = sorted((luminance(colours[letters]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{letters} on {ground}"


def test_the_page_is_written_whole_and_for_its_owner_only(story: Told, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    write_report(story.clean, path)
    write_report(story.clean, path)
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text("utf-8") == render(story.clean)


MEASURE = """<!doctype html><body><pre></pre><script>
const widths = [320, 375, 800, 1280];
let left = widths.length; const found = {};
for (const width of widths) {
  const frame = document.createElement('iframe');
  frame.style = `width:${width}px;height:600px;border:0`;
  frame.src = 'report.html';
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement;
    const cell = page.querySelector('[data-access-id] td');
    const display = frame.contentWindow.getComputedStyle(cell).display;
    const wide = [...page.querySelectorAll('body *')].filter(
      one => one.getBoundingClientRect().right > root.clientWidth + 1).map(one => one.outerHTML);
    found[width] = [root.scrollWidth - root.clientWidth, wide, display];
    if (--left === 0) document.querySelector('pre').textContent = JSON.stringify(found);
  };
  document.body.append(frame);
}
</script></body>"""


def browser() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def run_browser(folder: Path, *arguments: str) -> str:
    """What a Chromium without a window says."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command = [str(browser()), *flags, f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_the_page_fits_every_screen_and_prints(story: Told, tmp_path: Path) -> None:
    """As Chromium lays it out where there is one, and by its rules everywhere."""
    write_report(story.clean, tmp_path / "report.html")
    style = parsed(story.clean).all("style")[0].text
    for rule in (
        "overflow-wrap: anywhere",
        "content: attr(data-label)",
        "@page { size: A4;",
        "thead { display: table-header-group; }",
        "tr, .grant, li, .verdict, .tiles div, .facts { break-inside: avoid; }",
        "@media screen and (prefers-color-scheme: dark)",
    ):
        assert rule in style
    if browser():
        (tmp_path / "measure.html").write_text(MEASURE)
        measured = run_browser(
            tmp_path, "--virtual-time-budget=9000", "--dump-dom", f"file://{tmp_path}/measure.html"
        )
        grid, cell = '[0,[],"grid"]', '[0,[],"table-cell"]'
        assert f'{{"320":{grid},"375":{grid},"800":{grid},"1280":{cell}}}' in measured
        printed = tmp_path / "report.pdf"
        run_browser(
            tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={printed}", f"file://{tmp_path}/report.html"
        )
        assert 2 <= printed.read_bytes().count(b"/Type /Page\n") <= 12
