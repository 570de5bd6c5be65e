"""The terminal: questions only where somebody sits, results on stdout, all else on stderr, exit codes.

Exit codes are those of `consentry.errors`; 1 also when a question was answered with no, 130 when the
command was interrupted. Unknown codes are failures.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from consentry.errors import ConsentryError, UsageError
from consentry.files import replacement

PASSPHRASE = "CONSENTRY_PASSPHRASE"  # noqa: S105 - the variable's name
_SHORTEST = 8
_NARROW = 18  # of a column that may be folded


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turns a named error into its message on stderr and its class's exit code, what the machine refuses
    (a disk that is full) into 1, and Ctrl-C into 130."""
    try:
        yield
    except ConsentryError as error:
        click.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
        raise click.exceptions.Exit(error.exit_code) from None
    except OSError as error:
        what = ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
        click.secho(
            f"{type(error).__name__}: {what}; make room or give access, then try again", fg="red", err=True
        )
        raise click.exceptions.Exit(1) from None
    except (KeyboardInterrupt, click.Abort):
        click.echo("\ninterrupted; the same command, run again, goes on where it stopped", err=True)
        raise click.exceptions.Exit(130) from None


def asked() -> bool:
    """Whether somebody sits at the terminal who can be asked."""
    return sys.stdin.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Asks once; ``yes`` answers in advance. Ends the command (exit 1) for a no; raises `UsageError`
    where nobody can be asked."""
    if yes:
        return
    if not asked():
        raise UsageError("nobody can be asked here; read what stands above, then give --yes")
    if not click.confirm(question, err=True):
        click.echo("Nothing was signed or sent.", err=True)
        raise click.exceptions.Exit(1)


def passphrase(what: str, *, new: bool) -> str:
    """The passphrase of keyrings: from CONSENTRY_PASSPHRASE, else asked for (twice for a ``new`` one).
    Raises `UsageError` where it is not set and nobody can be asked, or too short."""
    given = os.environ.get(PASSPHRASE, "")
    if not given:
        given = hidden(f"Passphrase for {what}", f"set {PASSPHRASE}", twice=new)
    if new and len(given) < _SHORTEST:
        raise UsageError(f"a passphrase needs at least {_SHORTEST} characters; a few random words are good")
    return given


def hidden(question: str, instead: str, *, twice: bool = False) -> str:
    """A secret that is typed unseen. Raises `UsageError` naming what to do ``instead`` of typing."""
    if not asked():
        raise UsageError(f"nobody can be asked here: {question[0].lower()}{question[1:]}; {instead}")
    return str(click.prompt(question, hide_input=True, confirmation_prompt=twice, err=True))


@contextmanager
def progress(start: str) -> Iterator[Callable[[str], None]]:
    """Gives a function that tells the present step: a spinner on a terminal, otherwise a line each."""
    if not sys.stderr.isatty():
        yield lambda step: click.echo(f"  {step}", err=True)
        return
    from rich.console import Console

    with Console(stderr=True).status(start) as status:
        yield lambda step: status.update(step)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, out: bool = True) -> None:
    """Prints a table. A heading that begins with ``=`` or ``>`` is of a column that is never folded, the
    latter aligned to the right. ``out`` says stdout, the place of results."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    needed = 0
    for place, column in enumerate(columns):
        right, whole = column.startswith(">"), column.startswith((">", "="))
        width = max(len(cells[place]) for cells in [columns, *rows])
        needed += 2 + (width if whole else min(width, _NARROW))
        name = column[1:] if whole else column
        shown.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=whole)
    for row in rows:
        shown.add_row(*(Text(visible(cell)) for cell in row))
    console = Console(stderr=not out, highlight=False)
    console.width = max(console.width, needed)  # a terminal may fold a line; an id that is cut is no id
    if title:
        console.print(Text(title))
    console.print(shown)


def visible(text: str) -> str:
    """``text`` without control characters: names and labels are other people's, and a terminal obeys."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def brief(identifier: bytes) -> str:
    """An id's first 6 bytes as hex: enough for a person, and for the options that take an id."""
    return "0x" + identifier.hex()[:12]


def plural(count: int, noun: str) -> str:
    """``count`` and its noun, as in "1 grant", "2 grants"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def write_new(path: Path, data: bytes, *, force: bool) -> None:
    """Writes ``data`` to ``path``, which must not be there (or hold the same bytes) unless ``force``:
    atomically, readable by its owner only. Raises `UsageError`."""
    with replacing(path, force=force, same=data) as file:
        file.write_bytes(data)


@contextmanager
def replacing(path: Path, *, force: bool, same: bytes | None = None) -> Iterator[Path]:
    """Gives a temporary file (mode 0600) beside ``path`` that takes its place if all goes well.

    Raises `UsageError` where ``path`` is there already, unless ``force`` or it holds the bytes ``same``."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file")
    if path.exists() and not force and (same is None or path.read_bytes() != same):
        raise UsageError(f"{path} is there already; give --force to replace it, or another name")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; make it first")
    with replacement(path) as temporary:
        yield temporary
