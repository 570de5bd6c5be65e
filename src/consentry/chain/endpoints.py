"""Several endpoints of one chain that must agree, so that one which lies, lags or is down decides nothing.

All are asked at once. At least ``agree`` must give the same answer in time, at the newest block that any of
them knows, and none that answers may say otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from web3 import Web3

from consentry.chain.deployments import Deployed
from consentry.chain.endpoint import Endpoint, State, Trouble
from consentry.chain.node import identify
from consentry.chain.proof import Header
from consentry.chain.rpc import Rpc
from consentry.errors import ChainUncertain, ContractRefused, EndpointsDisagree, Unreachable, UsageError

PATIENCE = 5.0
"""Seconds that an endpoint has for one answer."""

_GRACE = 1.0  # seconds that the others have once enough have answered
_LOOK = 0.05  # seconds between two looks at one that does not have the newest block yet


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """How one endpoint does. ``name`` is its host and port; ``head`` the number of its newest block, and
    ``behind`` by how many blocks it lags the foremost, None where it gave none; ``contradictions`` counts
    since the start. ``detail`` is for the operator alone."""

    name: str
    state: State
    head: int | None
    behind: int | None
    contradictions: int
    detail: str


class Endpoints:
    """The ``nodes`` (URLs, or connections), of which ``agree`` (all, unless said) have to give one answer
    within ``patience`` seconds. Raises `UsageError` for a number that makes no sense, or one URL twice."""

    def __init__(
        self, nodes: Sequence[str | Web3], *, agree: int | None = None, patience: float = PATIENCE
    ) -> None:
        self.agree = len(nodes) if agree is None else agree
        if not 1 <= self.agree <= len(nodes) or len(set(nodes)) < len(nodes):
            raise UsageError("name each endpoint of the chain once, and let one to all of them have to agree")
        self._patience = patience
        self._all = [Endpoint(node, patience) for node in nodes]
        self._deployed: Deployed | None = None

    @property
    def first(self) -> Web3:
        """The connection to the first endpoint, by which transactions are sent."""
        return self._all[0].web3

    def bind(self, deployed: Deployed) -> None:
        """From now on they are asked about ``deployed``, and have to be on its chain."""
        self._deployed = deployed

    def identify(self) -> tuple[int, bytes]:
        """The chain's id and the hash of its block 0. Raises `ChainUncertain`."""
        told = self._gather(lambda endpoint: identify(endpoint.web3), self._all)
        return tuple(self._agreed(told, "which chain they are on"))

    def head(self) -> tuple[Header, list[Endpoint]]:
        """The newest block that any endpoint knows, and those that have it: at least ``agree``, for which the
        slower ones are waited for. Raises `ChainUncertain`."""
        until = time.monotonic() + self._patience
        heads = self._gather(self._question(_newest), self._awake())
        top = max((header.number for header in heads.values()), default=0)
        there = {endpoint: header for endpoint, header in heads.items() if header.number == top}
        while (late := [one for one in heads if one not in there]) and len(there) < self.agree:
            if time.monotonic() > until:
                break
            time.sleep(_LOOK)
            found = self._gather(self._question(lambda rpc: rpc.header(top)), late)
            there |= {endpoint: header for endpoint, header in found.items() if header is not None}
        for endpoint in [one for one in late if one.trouble is None]:
            lag = top - heads[endpoint].number
            endpoint.trouble = Trouble(State.BEHIND, ChainUncertain(f"{lag} behind block {top}"))
        return self._agreed(there, f"block {top}"), [one for one in self._all if one in there]

    def ask(self, question: Callable[[Rpc], Any], about: str, among: Iterable[Endpoint] | None = None) -> Any:
        """The answer to ``question``, on which those ``among`` the endpoints agree. Raises `ChainUncertain`,
        or the `ContractRefused` on which they agree."""
        asked = self._awake() if among is None else among
        answer = self._agreed(self._gather(self._question(question), asked), about)
        if isinstance(answer, ContractRefused):
            raise answer
        return answer

    def any(self, question: Callable[[Rpc], Any], among: Iterable[Endpoint]) -> Any:
        """The answer of the first ``among`` the endpoints that gives one, for what proves itself. Raises
        `ChainUncertain`."""
        for endpoint in among:
            for answer in self._gather(self._question(question), [endpoint]).values():
                return answer
        raise self._too_few()

    def each(self, question: Callable[[Rpc], Any], among: Iterable[Endpoint]) -> list[Any]:
        """The answers of those ``among`` the endpoints, where they may well differ. Raises
        `ChainUncertain`."""
        told = self._gather(self._question(question), among)
        if len(told) < self.agree:
            raise self._too_few()
        return list(told.values())

    def health(self) -> list[EndpointHealth]:
        """How each endpoint does, asked now."""
        heads = self._gather(self._question(_newest), self._all)
        top = max((header.number for header in heads.values()), default=0)
        return [_health(endpoint, heads.get(endpoint), top) for endpoint in self._all]

    def close(self) -> None:
        """Ends their threads."""
        for endpoint in self._all:
            endpoint.close()

    # --- asking all, and comparing

    def _question(self, question: Callable[[Rpc], Any]) -> Callable[[Endpoint], Any]:
        deployed = self._deployed
        if deployed is None:
            raise UsageError("say first which deployment the endpoints are asked about")
        return lambda endpoint: question(endpoint.rpc(deployed))

    def _awake(self) -> list[Endpoint]:
        """Those that are worth asking: one in trouble is left alone for a moment."""
        now = time.monotonic()
        awake = [one for one in self._all if not one.trouble or one.trouble.rested(now)]
        if len(awake) < self.agree:
            raise self._too_few()
        return awake

    def _gather(self, question: Callable[[Endpoint], Any], among: Iterable[Endpoint]) -> dict[Endpoint, Any]:
        """What those that answer in time and without trouble say."""
        asked: dict[Future[Any], Endpoint] = {endpoint.ask(question): endpoint for endpoint in among}
        until, told = time.monotonic() + self._patience, {}
        while asked and (left := until - time.monotonic()) > 0:
            for future in wait(asked, left, FIRST_COMPLETED).done:
                endpoint, answer = asked.pop(future), future.result()
                if isinstance(answer, Trouble):
                    endpoint.trouble = answer
                else:
                    told[endpoint] = answer
                    endpoint.recovers()
            if len(told) >= self.agree:
                until = min(until, time.monotonic() + _GRACE)
        for future, endpoint in asked.items():
            future.cancel()
            endpoint.trouble = Trouble(State.SLOW, Unreachable("no answer in time"))
        return told

    def _agreed(self, told: Mapping[Endpoint, Any], about: str) -> Any:
        """The one answer, or the error that says why there is none."""
        said: list[tuple[Any, list[Endpoint]]] = []
        for endpoint, answer in told.items():
            same = [who for key, who in said if key == _key(answer)]
            if same:
                same[0].append(endpoint)
            else:
                said.append((_key(answer), [endpoint]))
        if len(said) > 1:
            raise self._disagree([who for _, who in said], about)
        if len(told) < self.agree:
            raise self._too_few()
        return next(iter(told.values()))

    def _disagree(self, sides: list[list[Endpoint]], about: str) -> EndpointsDisagree:
        most = max(map(len, sides))
        larger = [side for side in sides if len(side) == most]
        names = " / ".join(", ".join(endpoint.name for endpoint in side) for side in sides)
        error = EndpointsDisagree(
            f"endpoints contradict one another on {about} ({names}); nothing was decided"
        )
        for side in sides:
            for endpoint in side if len(larger) > 1 or side not in larger else ():
                endpoint.contradicts(error)
        return error

    def _too_few(self) -> ChainUncertain:
        troubles = [(one.name, one.trouble) for one in self._all if one.trouble]
        if len(self._all) == len(troubles) == 1 and isinstance(troubles[0][1].error, ChainUncertain):
            return troubles[0][1].error
        said = "; ".join(f"{name} is {trouble.state} ({trouble.error})" for name, trouble in troubles)
        return ChainUncertain(
            f"{self.agree} of {len(self._all)} endpoints of the chain have to agree, and fewer answer well: "
            f"{said}; nothing was lost, run the same command again"
        )


def _newest(rpc: Rpc) -> Header:
    header = rpc.header("latest")
    if header is None:
        raise Unreachable("it gives no newest block")
    return header


def _key(answer: Any) -> Any:
    """What makes two answers the same."""
    if isinstance(answer, ContractRefused):
        return ("refused", answer.name, answer.values)
    return answer


def _health(endpoint: Endpoint, head: Header | None, top: int) -> EndpointHealth:
    number = head.number if head else None
    behind = top - number if number is not None else None
    trouble = endpoint.trouble
    state, detail = (trouble.state, str(trouble.error)) if trouble else (State.WELL, "")
    if trouble is None and behind:
        state, detail = State.BEHIND, f"{behind} behind block {top}"
    return EndpointHealth(endpoint.name, state, number, behind, endpoint.contradictions, detail)
