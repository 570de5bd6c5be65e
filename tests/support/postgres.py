"""A PostgreSQL of our own: the real server, from the package `pgserver`, on a socket in a folder of its own.

It is started and ended by its own process id, so that tests can kill it and start it again.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.engine import make_url

_FLAGS = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres", "--no-sync")
# Power cuts are not what is tested: nothing has to reach the disk, only to survive the processes.
_QUICK = ("fsync=off", "listen_addresses=", "max_connections=50", "shared_buffers=16MB")


class Postgres:
    """A server with its data and its socket in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._made = folder, 0
        spec = find_spec("pgserver")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        self._user: str | None = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and nobody else may see this checkout
            self._user = "nobody"
            for name in ("pgserver", "pgserver.libs"):
                shutil.copytree(package.parent / name, folder / "programs" / name)
            package = folder / "programs" / "pgserver"
            who = pwd.getpwnam(self._user)
            folder.chmod(0o755)
            os.chown(folder, who.pw_uid, who.pw_gid)
        self._bin = package / "pginstall" / "bin"
        self._run("initdb", *_FLAGS, "-D", folder / "data")
        self.start()

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [self._bin / program, *arguments]
        subprocess.run(command, user=self._user, cwd=self.folder, check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        settings = " ".join(f"-c {one}" for one in _QUICK)
        how = ("-D", self.folder / "data", "-l", self.folder / "log", "-w")
        command = [self._bin / "pg_ctl", "start", *how, "-o", f"{settings} -k {self.folder}"]
        # Its output goes nowhere: the server would hold a pipe open.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, user=self._user, cwd=self.folder, check=True, timeout=60, **quiet)

    def stop(self, how: str = "immediate") -> None:
        """Ends it: ``immediate`` is as if it were killed."""
        self._run("pg_ctl", "stop", "-D", self.folder / "data", "-m", how, "-w")

    def new_database(self, like: str | None = None) -> str:
        """The URL of a new database, empty or ``like`` the one of that URL, with which nobody is connected;
        one with the same name and ``_keys`` at its end is there too."""
        self._made += 1
        name = f"vault_{os.getpid()}_{self._made}"
        old = make_url(like).database if like else None
        for end in ("", "_keys"):
            template = f"{old}{end}" if old else "template0"
            self._run("createdb", "-h", self.folder, "-U", "postgres", "-T", template, name + end)
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """One that ends with the block, and leaves nothing."""
    folder = Path(tempfile.mkdtemp(prefix="consentry-pg-"))
    try:
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
