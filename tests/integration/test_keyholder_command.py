"""The command that institutions run: how it starts, refuses to, listens, logs and stops."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench._anvil import free_port
from consentry.errors import KeyholderRefused, Unreachable
from consentry.keyholder.remote import RemoteKeyholder
from tests.support.served import request, said
from tests.support.services import COMMAND, PASSPHRASE, Services, services
from tests.support.world import KINDS


@pytest.fixture(scope="module")
def institutions(tmp_path_factory: pytest.TempPathFactory, anvil_url: str) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("commands"), anvil_url) as running:
        running.world.desk("patient").enrol(KINDS)
        running.signal(signal.SIGTERM, 2, 3, 4, 5)
        yield running


@pytest.fixture
def first(institutions: Services) -> Services:
    """The first keyholder runs, as it does by default."""
    institutions.options = ("--rate", "0")
    if 1 in institutions.running:
        institutions.signal(signal.SIGTERM, 1)
    institutions.log(1).write_bytes(b"")
    return institutions


def command(institutions: Services, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs ``consentry keyholder`` in the first keyholder's folder."""
    known = {**os.environ, "CONSENTRY_PASSPHRASE": PASSPHRASE, **environment}
    known |= {"CONSENTRY_KEYHOLDER": str(institutions.place(1)), "CONSENTRY_RPC": institutions.node}
    return subprocess.run(
        [COMMAND, "keyholder", *words], env=known, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def url(institutions: Services) -> str:
    return institutions.roster.keyholders[0].url


def test_a_wrong_passphrase_starts_nothing(first: Services) -> None:
    done = command(first, "serve", CONSENTRY_PASSPHRASE="somebody else's")
    assert done.returncode == 4
    assert done.stderr.startswith("KeyringLocked: ")
    assert "somebody else's" not in done.stderr


def test_a_keyholder_that_nobody_named_does_not_serve(first: Services, tmp_path: Path) -> None:
    folder = tmp_path / "unnamed"
    words = ("--home", str(folder), "--name", "Unnamed", "--url", "https://unnamed.example")
    assert command(first, "init", *words).returncode == 0
    for name in ("deployments.json", "keyholders.json"):
        shutil.copy(first.place(1) / name, folder)
    done = command(first, "serve", "--home", str(folder))
    assert done.returncode == 3
    assert "keyholders.json does not name the keyholder 0x" in done.stderr


def test_an_altered_roster_is_not_served_under(first: Services, tmp_path: Path) -> None:
    shutil.copytree(first.place(1), tmp_path / "altered")
    roster = tmp_path / "altered" / "keyholders.json"
    roster.write_text(roster.read_text("utf-8").replace('"threshold": 3', '"threshold": 1'), "utf-8")
    done = command(first, "serve", "--home", str(tmp_path / "altered"))
    assert done.returncode == 5
    assert "not the one that the deployment names" in done.stderr


def test_without_a_node_it_says_so_and_ends(first: Services) -> None:
    done = command(first, "serve", "--rpc", "http://127.0.0.1:1")
    assert done.returncode == 6
    assert "nothing was lost, run the same command again" in done.stderr


def test_a_port_that_is_taken_is_named(first: Services) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command(first, "serve", "--port", port)
        counted = command(first, "serve", "--port", str(free_port()), "--metrics-port", port)
    assert (done.returncode, counted.returncode) == (2, 2)
    assert f"it cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert f"it cannot serve metrics on port {port}" in counted.stderr


def test_what_is_being_answered_at_sigterm_is_answered(first: Services) -> None:
    first.start(1)
    asked = request("/v1/own", b'{"half": "of a call"}')
    with socket.create_connection(("127.0.0.1", int(url(first).rpartition(":")[2])), timeout=30) as line:
        line.sendall(asked[:-5])
        said(int(url(first).rpartition(":")[2]), request("/healthz", method="GET"))  # it has read the half
        first.running[1].send_signal(signal.SIGTERM)
        line.sendall(asked[-5:])
        assert b"".join(iter(lambda: line.recv(1 << 16), b"")).startswith(b"HTTP/1.1 403 ")
    assert first.running.pop(1).wait(60) == 0


def test_logs_are_objects_without_a_word_of_what_was_said(first: Services) -> None:
    first.start(1)
    port = int(url(first).rpartition(":")[2])
    said(port, request("/v1/box", b'{"box": "0xabcdef"}'))
    said(port, request("/v1/a-secret-path", b'{"a": "secret body"}'))
    first.signal(signal.SIGTERM, 1)
    lines = [json.loads(line) for line in first.log(1).read_text("utf-8").splitlines()]
    assert any(line.get("verb") == "box" and line["event"] == "refused" for line in lines)
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    assert not any(word in str(lines) for word in ("abcdef", "secret", PASSPHRASE))


def test_metrics_are_on_a_port_of_their_own(first: Services) -> None:
    port = free_port()
    first.options = ("--rate", "0", "--metrics-port", str(port))
    first.start(1)
    own = int(url(first).rpartition(":")[2])
    said(own, request("/v1/box", b'{"box": "0xabcdef"}'))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        shown = answer.read().decode()
    assert 'consentry_keyholder_answers_total{outcome="refused",verb="box"} 1.0' in shown
    assert "consentry_keyholder_ready 1.0" in shown
    assert "consentry_keyholder_node_well" in shown
    assert said(own, request("/metrics", method="GET")).startswith(b"HTTP/1.1 403 ")


def test_an_address_that_calls_too_often_is_told_to_come_later(first: Services) -> None:
    first.options = ("--rate", "1")
    first.start(1)
    port = int(url(first).rpartition(":")[2])
    statuses = [said(port, request("/v1/own", b"{}")).split(b" ")[1] for _ in range(30)]
    assert set(statuses) == {b"403", b"429"}
    assert statuses[:5] == [b"403"] * 5
    assert said(port, request("/healthz", method="GET")).startswith(b"HTTP/1.1 200 ")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that only its owner trusts, and its key."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "certificate.pem", folder / "key.pem"


def test_over_tls_it_is_heard_by_who_trusts_its_certificate_and_by_nobody_else(
    first: Services, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = first.roster.keyholders[0]
    card = replace(card, url=card.url.replace("http:", "https:"))
    first.options = ("--certificate", str(certificate[0]), "--key", str(certificate[1]))
    first.begin(1)
    first.wait(1, lambda: speaks_tls(card.url, certificate[0]))
    stranger = RemoteKeyholder(card)
    with pytest.raises(Unreachable, match="ConnectError"):
        stranger.box(b"any")
    stranger.close()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    trusting = RemoteKeyholder(card)
    with pytest.raises(KeyholderRefused):
        trusting.box(b"any")
    trusting.close()


def speaks_tls(address: str, trusted: Path) -> bool:
    try:
        with urllib.request.urlopen(
            f"{address}/healthz", timeout=5, context=ssl.create_default_context(cafile=str(trusted))
        ):
            return True
    except OSError:
        return False
