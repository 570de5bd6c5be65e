"""Programs that run beside a command, and are gone with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# The shell holds the daemon and a reader of its own standard input, whose other end the starting process
# holds: however that one ends, killed included, the pipe closes and the daemon is told to stop.
_KEEPER = """
exec 3<&0
"$@" </dev/null 3<&- &
daemon=$!
{ cat <&3 >/dev/null; kill "$daemon" 2>/dev/null; } &
exec 3<&-
wait "$daemon"
"""
_PAUSE = 0.05


class Daemon:
    """The program ``command``, from now on until `end`, and no longer than this process however that ends.
    What it writes is added to the file ``log``."""

    def __init__(self, command: Sequence[str | Path], env: Mapping[str, str], log: Path) -> None:
        self._log, words = log, [str(word) for word in command]
        with log.open("ab") as output:
            self._keeper = subprocess.Popen(  # noqa: S603
                ["/bin/sh", "-c", _KEEPER, Path(words[0]).name, *words],
                env=env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the command, which may still need it
            )

    def said(self) -> str:
        """What it wrote so far."""
        return self._log.read_text("utf-8", errors="replace")

    def becomes(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Waits until it is ``ready``; False where it ends before, or takes more than ``seconds``."""
        until = time.monotonic() + seconds
        while not ready():
            if self._keeper.poll() is not None or time.monotonic() > until:
                return False
            time.sleep(_PAUSE)
        return True

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, as the machine under it would."""
        with suppress(ProcessLookupError):
            os.killpg(self._keeper.pid, number)

    def end(self, seconds: float = 3) -> None:
        """Has it stop, by force where that takes more than ``seconds``: some wait for whoever still talks to
        them."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self.signal(signal.SIGCONT)
        try:
            self._keeper.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends it at once, as a power cut would."""
        self.signal(signal.SIGKILL)
        self._keeper.wait()
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
