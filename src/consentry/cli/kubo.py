"""An `ipfs` of one's own: started offline on free ports, and gone with whoever started it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from consentry.cli.daemons import Daemon
from consentry.errors import NotFound, StoreUnreachable

_READY = "Daemon is ready"


@contextmanager
def running_kubo(
    repo: Path | None = None, *, settings: Mapping[str, object] | None = None, seconds: float = 60
) -> Iterator[str]:
    """Starts the `ipfs` on PATH as a daemon without network and gives the multiaddr of its API.

    ``repo`` is its IPFS_PATH, made where it is missing and kept; None is a temporary one. A new repo has
    free ports on this machine only, no bootstrap peers, no discovery, no gateway and no telemetry;
    ``settings`` are further values of its config by dotted name. The daemon ends with the block, and with
    this process however that ends. Raises `NotFound` where there is no `ipfs`, and `StoreUnreachable` with
    what it said when it is not ready within ``seconds``.
    """
    program = shutil.which("ipfs")
    if program is None:
        raise NotFound("there is no ipfs on PATH; install Kubo, or use the folder store")
    with nullcontext(repo) if repo else tempfile.TemporaryDirectory(prefix="consentry-ipfs-") as folder:
        path = Path(folder)
        env = {**os.environ, "IPFS_PATH": str(path), "IPFS_TELEMETRY": "off"}
        if not (path / "config").exists():
            _init(program, path, env, settings or {})
        with _daemon(program, path, env, seconds):
            yield (path / "api").read_text().strip()


def _init(program: str, repo: Path, env: Mapping[str, str], settings: Mapping[str, object]) -> None:
    repo.mkdir(parents=True, exist_ok=True)
    command = [program, "init", "--profile=test"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise StoreUnreachable(f"`ipfs init` in {repo} failed: {done.stderr.strip()[-500:]}")
    config = json.loads((repo / "config").read_text())
    for name, value in {"Addresses.Gateway": [], "Addresses.Swarm": [], **settings}.items():
        *groups, last = name.split(".")
        group = config
        for part in groups:
            group = group.setdefault(part, {})
        group[last] = value
    (repo / "config").write_text(json.dumps(config, indent=2))


@contextmanager
def _daemon(program: str, repo: Path, env: Mapping[str, str], seconds: float) -> Iterator[None]:
    (log := repo / "daemon.log").unlink(missing_ok=True)
    daemon = Daemon([program, "daemon", "--offline"], env, log)
    try:
        if not daemon.becomes(lambda: _READY in daemon.said(), seconds):
            raise StoreUnreachable(f"`ipfs daemon` did not start: {daemon.said().strip()[-500:]}")
        yield
    finally:
        daemon.end()
