"""The keyholder's service keeps to its own OpenAPI document, whatever is sent.

Every answer conforms to it, none is a failure of the service, and every refusal is the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, FailureGroup, load_all_checks

from consentry.consent.terms import typed_revoke
from consentry.keyholder import wire
from consentry.keyholder.handover import What, took
from consentry.keys.binding import abi_encode
from tests.attacks.support import access, call, envelope, statement_of
from tests.support.members import Change
from tests.support.served import TOKEN, VERBS, OverHttp, served
from tests.support.world import World

FREE = {"/healthz", "/readyz"}
PATHS = sorted({f"/v1/{verb}" for verb in VERBS} | {"/v1/journal"} | FREE)
REFUSED = b'{"error":"refused"}'
FIXED = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
load_all_checks()
CONFORMS = [CHECKS.get_one("not_a_server_error")]
CONFORMS += [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name.endswith("_conformance")]


@pytest.fixture(scope="module")
def grown(world: World) -> Change:
    """The group of keyholders has changed once."""
    made = Change(world, added=1)
    made.move()
    return made


@pytest.fixture(scope="module")
def web(grown: Change) -> Iterator[OverHttp]:
    with served(grown.world.keyholders[0]) as one:
        yield one


@pytest.fixture(scope="module")
def document(web: OverHttp) -> Any:
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{web.port}/openapi.json")


def operation(document: Any, path: str) -> Any:
    return document[path]["GET" if path in FREE | {"/v1/journal"} else "POST"]


def test_the_document_has_every_path(document: Any) -> None:
    assert sorted(document) == PATHS


def judged(case: Case, port: int) -> None:
    """Sends it; the answer conforms, and where it is a refusal, it is the one."""
    answer = case.call(base_url=f"http://127.0.0.1:{port}")
    assert answer.status_code in (200, 403)
    if answer.status_code == 403:
        assert answer.content == REFUSED
    case.validate_response(answer, checks=CONFORMS)


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_sent_the_answer_conforms(
    path: str, mode: GenerationMode, document: Any, web: OverHttp
) -> None:
    """Made from the document: bodies that fit it, and bodies that do not."""
    fits = operation(document, path)
    if mode is GenerationMode.NEGATIVE and path in FREE:
        mode = GenerationMode.POSITIVE  # nothing can be sent there

    @FIXED
    @given(case=fits.as_strategy(generation_mode=mode))
    def answers(case: Case) -> None:
        judged(case, web.port)

    answers()


def test_a_call_by_another_method_is_the_one_refusal(web: OverHttp) -> None:
    for path in set(PATHS):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"):
            answer = requests.request(method, f"http://127.0.0.1:{web.port}{path}", timeout=30)
            assert (answer.status_code, answer.content) == (403, b"" if method == "HEAD" else REFUSED)


def asked(change: Change) -> dict[str, BaseModel]:
    """A good question of each verb."""
    world = change.world
    keyholder, patient = world.keyholders[0], world.patient
    proposal = world.grant("clinician", "general")[0]
    grant = (patient, proposal.grant_id)
    [signed, *_] = keyholder._vault.statements(patient)
    box = keyholder._vault.find_box(*grant)
    assert box is not None
    part = envelope(world, "patient", statement_of(world, "general"))[0]
    other = world.grant("nurse", "general")[0].grant_id
    stop = typed_revoke(world.chain.deployment, patient, other)
    by_calls = {
        "grants": call(world, "clinician", "grants", patient),
        "fetch_box": call(world, "clinician", "fetch_box", abi_encode(["bytes32", "bytes32"], [*grant])),
        "labels": call(world, "clinician", "labels", proposal.terms.encode()),
        "release": access(world, proposal).call(),
        "own": call(world, "patient", "own", patient),
        "hand_over": change.call(6, 1, "hand_over", change.asked(What.ENVELOPES)),
        "took_over": change.call(2, 1, "took_over", took(change.to, [access(world, proposal).record_id])),
    }
    return {
        "statement": wire.Statement.of(signed),
        "box": wire.Box(box=box),
        "deal": wire.Part(part=part.encode()),
        "stop": wire.Stop(
            patient=patient,
            grant_id=other,
            signature=world.person("patient").signer.sign_typed_data(stop),
        ),
        **{verb: wire.SignedCall.of(one) for verb, one in by_calls.items()},
    }


def test_every_answer_that_is_given_conforms(grown: Change, web: OverHttp, document: Any) -> None:
    """What is made from the document alone is refused, for nobody signed it: here each verb answers."""
    questions = asked(grown)
    assert set(questions) == set(VERBS)
    at = f"http://127.0.0.1:{web.port}"
    for verb, question in questions.items():
        body = question.model_dump_json(by_alias=True)
        headers = {"Content-Type": "application/json"}
        answer = requests.post(f"{at}/v1/{verb}", data=body, headers=headers, timeout=30)
        assert answer.status_code == 200, verb
        operation(document, f"/v1/{verb}").validate_response(answer)
    token = {"Authorization": f"Bearer {TOKEN}"}
    for path in ("/v1/journal", *FREE):
        answer = requests.get(f"{at}{path}", headers=token, timeout=30)
        assert answer.status_code == 200, path
        operation(document, path).validate_response(answer)


def test_the_test_sees_an_answer_that_does_not_conform(web: OverHttp, document: Any) -> None:
    answer = requests.get(f"http://127.0.0.1:{web.port}/healthz", timeout=30)
    with pytest.raises(FailureGroup):
        operation(document, "/v1/own").validate_response(answer)
