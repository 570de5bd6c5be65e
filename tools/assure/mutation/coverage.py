"""Which tests run which functions and lines of the contracts, from the instructions that py-evm runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from .compiler import read
from .source import Sources

Place = tuple[str, int]
"""A file, and a byte of it."""


class Recorder:
    """Notes the instructions that run in this process, by code, from `start` on."""

    def __init__(self) -> None:
        self.ran: defaultdict[bytes, set[int]] = defaultdict(set)

    def start(self) -> None:
        """Takes the place of py-evm's loop over a code, for good."""
        from eth.vm.code_stream import CodeStream

        ran = self.ran

        def iterate(self: Any) -> Iterator[int]:
            text = self._raw_code_bytes
            seen, length = ran[text], len(text)
            while (at := self.program_counter) < length:
                seen.add(at)
                self.program_counter = at + 1
                yield text[at]
            yield 0  # STOP

        CodeStream.__iter__ = iterate  # type: ignore[method-assign]

    def take(self) -> dict[bytes, set[int]]:
        """What ran since the last time."""
        found = dict(self.ran)
        self.ran.clear()
        return found


class Atlas:
    """Where in the sources each instruction of a code comes from."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[bytes, dict[int, Place]] = {}
        self._lines: dict[str, list[int]] = {}

    def places(self, ran: dict[bytes, set[int]]) -> set[str]:
        """The functions (`file:name`) and lines (`file:number`) of ours whose instructions ran."""
        found = set()
        for code, ats in ran.items():
            if code not in self._known:
                self._known[code] = self._mapped(code)
            known = self._known[code]
            for file, start in {known[at] for at in ats if at in known}:
                found.add(f"{file}:{self._sources.function_at(file, start)}")
                found.add(f"{file}:{self.line_of(file, start)}")
        return found

    def line_of(self, file: str, start: int) -> int:
        """The number of the line with this byte of a file, from 1."""
        if file not in self._lines:
            text = read(file).encode()
            self._lines[file] = [at for at, char in enumerate(text) if char == ord("\n")]
        from bisect import bisect_left

        return bisect_left(self._lines[file], start) + 1

    def _mapped(self, code: bytes) -> dict[int, Place]:
        for told in self._sources.contracts.values():
            evm = told["evm"]
            creation = bytes.fromhex(evm["bytecode"]["object"])
            if code.startswith(creation):
                return self._map(creation, evm["bytecode"]["sourceMap"])
            runtime = bytes.fromhex(evm["deployedBytecode"]["object"])
            holes = evm["deployedBytecode"]["immutableReferences"]
            if len(code) == len(runtime) and without(code, holes) == runtime:
                return self._map(runtime, evm["deployedBytecode"]["sourceMap"])
        return {}  # a mock, a library's contract, or code that a test made

    def _map(self, code: bytes, source_map: str) -> dict[int, Place]:
        found, last, at = {}, ["0", "0", "-1"], 0
        for entry in source_map.split(";"):
            last = [new or old for new, old in zip((*entry.split(":"), "", "", "")[:3], last, strict=True)]
            file = self._sources.files.get(int(last[2]))
            if file in self._sources.reach:
                found[at] = (file, int(last[0]))
            if at >= len(code):
                break
            at += 1 + max(0, code[at] - 0x5F) if 0x5F <= code[at] <= 0x7F else 1
        return found


def without(code: bytes, holes: dict[str, list[dict[str, int]]]) -> bytes:
    """A code with zeros where its immutables stand."""
    plain = bytearray(code)
    for hole in (hole for places in holes.values() for hole in places):
        plain[hole["start"] : hole["start"] + hole["length"]] = bytes(hole["length"])
    return bytes(plain)
