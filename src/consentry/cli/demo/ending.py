"""How the story ends: the audit, two tampered things, what each step cost, and the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from eth_utils.abi import function_abi_to_4byte_selector
from hexbytes import HexBytes
from rich.table import Table

from consentry.chain.manifest import NAMES, abi
from consentry.cli.demo.stage import Stage, StoryBroken
from consentry.client import Deposited
from consentry.errors import BlobAltered
from consentry.evidence import Access, Journal, Known, Report, audit, write_report
from consentry.store import Store


def check(stage: Stage, journals: list[Journal] | None = None) -> Report:
    """The audit, with what the patient holds anyway; of these ``journals``, or what keyholders show."""
    patient = stage.people["patient"]
    own = stage.desk("patient").my_grants().values()
    known: list[Known] = [*stage.cards.values(), *own]
    known += [signed for person in stage.people.values() for signed in person.copy.heard()]
    journals = journals or shown(stage)
    threshold = stage.group.roster.threshold
    return audit(stage.chain, stage.store, journals, known, threshold=threshold, patient=patient.identity)


def shown(stage: Stage) -> list[Journal]:
    """The journals, as the keyholders show them."""
    return [Journal(keyholder.card, keyholder.journal()) for keyholder in stage.keyholders]


def audited(stage: Stage, accesses: int) -> Report:
    """Every access and nothing else."""
    report = check(stage)
    if report.findings or len(report.accesses) != accesses:
        found = "; ".join(f"{f.where}: {f.what}" for f in report.findings) or "other accesses"
        raise StoryBroken(f"the audit found what did not happen, or missed what did: {found}")
    for line in report.verified:
        stage.tell.done(line)
    for access in report.accesses:
        stage.tell.done(access_line(report, access))
    stage.tell.done(f"{len(report.attempts)} refused calls stand in the keyholders' journals")
    report.gas = gas(stage)
    return report


def access_line(report: Report, access: Access) -> str:
    """An access in one line."""
    who = report.name(access.entry.actor)
    shares = ", ".join(map(str, access.releases))
    where = f"in the journals of keyholders {shares}" if shares else "in no keyholder's journal"
    return f"entry by {who}: {access.verdict}, {where}"


def tampering(stage: Stage, deposited: Deposited) -> None:
    """One flipped byte in a blob, one edited row in a journal: both are named. Then all is put back."""
    good = stage.store
    stage.store = Flipped(good, deposited.cid)
    with stage.tell.expect(BlobAltered, "the patient, with one byte of the blob flipped"):
        stage.desk("patient").open(stage.patient, deposited.record_id)
    journals = shown(stage)
    liar = edit(journals)
    findings = check(stage, journals).findings
    for finding in findings:
        stage.tell.refused(f"audit: [bold]{finding.where}[/bold]: {finding.what}")
    named = " ".join(f.where for f in findings)
    if f"keyholder {liar}" not in named or "record" not in named:
        raise StoryBroken("the audit did not name the altered blob and the edited journal")
    stage.store = good


def edit(journals: list[Journal]) -> int:
    """What a keyholder would do that hides whom it answered: another name in one row of what it shows. Gives
    which of them did."""
    order = sorted(range(len(journals)), key=lambda place: place != 1)
    for place in order:
        card, rows = journals[place].card, list(journals[place].rows)
        for number, row in enumerate(rows):
            if row.kind == "release":
                rows[number] = replace(row, body={**row.body, "actor": "0x" + "00" * 20})
                journals[place] = Journal(card, rows)
                return card.index
    raise StoryBroken("no keyholder has released anything")


@dataclass
class Flipped:
    """A store whose owner flipped a byte of one blob."""

    store: Store
    cid: str

    def put(self, source: BinaryIO) -> str:
        """See `Store`."""
        return self.store.put(source)

    def put_many(self, sources: Iterable[BinaryIO]) -> list[str]:
        """See `Store`."""
        return self.store.put_many(sources)

    def get(self, cid: str, sink: BinaryIO) -> None:
        """See `Store`; but its owner does not look whether the bytes fit their content id."""
        self.store.get(cid, sink)
        if cid == self.cid:
            sink.seek(200)
            byte = sink.read(1)
            sink.seek(200)
            sink.write(bytes([byte[0] ^ 1]))

    def drop(self, cid: str) -> None:
        """See `Store`."""
        self.store.drop(cid)


def gas(stage: Stage) -> list[tuple[str, int]]:
    """What each step of the story cost, from the chain itself: (contract.function, gas), in the order of the
    chain."""
    eth: Any = stage.chain.rpc.web3.eth
    names = {
        stage.chain.deployed.contracts[contract].address: {
            function_abi_to_4byte_selector(item): item["name"]  # type: ignore[arg-type]
            for item in abi(contract)
            if item["type"] == "function"
        }
        for contract in NAMES
    }
    contracts = {placed.address: name for name, placed in stage.chain.deployed.contracts.items()}
    costs = []
    for number in range(stage.first, stage.chain.head().number + 1):
        for transaction in eth.get_block(number, full_transactions=True)["transactions"]:
            used = eth.get_transaction_receipt(transaction["hash"])["gasUsed"]
            to = transaction.get("to")
            if to in contracts:
                data = HexBytes(transaction.get("input") or transaction["data"])  # py-evm's own name
                costs.append((f"{contracts[to]}.{names[to].get(bytes(data[:4]), '?')}", used))
            elif not to:
                costs.append(("deploy a contract", used))
    return costs


def show_gas(stage: Stage, costs: list[tuple[str, int]]) -> None:
    """The costs as a table: each step, how often, gas the first and the last time."""
    by_step: dict[str, list[int]] = defaultdict(list)
    for step, used in costs:
        by_step[step].append(used)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("step", "times", "gas, first", "gas, last"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for step, each in by_step.items():
        table.add_row(step, str(len(each)), f"{each[0]:,}", f"{each[-1]:,}")
    stage.tell.console.print(table)


def write_page(stage: Stage, report: Report, page: Path) -> None:
    """The page to look at."""
    write_report(report, page)
    stage.tell.done(f"the report: [bold]{page}[/bold] (one file; open it in a browser, or print it)")
