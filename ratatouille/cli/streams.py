"""Standard output and error as they really are: closed, a pipe whose reader ends, or of a narrow encoding.

A command must end quietly when `head` has seen enough, and must not fail because a terminal cannot show a sign.
"""

from __future__ import annotations

import codecs
import os
import select
import sys
import unicodedata
from contextlib import suppress
from typing import NoReturn, TextIO

from rich.console import Console
from rich.text import Text

from ratatouille.cli.layout import wrapped

BROKEN_PIPE = 128 + 13
"""Exit code of a program whose output has no reader any more, as shells see other programs end by SIGPIPE."""
_READABLE = "ratatouille.readable"
_SIGNS = {
    **dict.fromkeys("–—−‐‑─━┄┈╌", "-"),
    **dict.fromkeys("│┃┆┊╎", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╱╲╳", "+"),
    **dict.fromkeys("●•·∙", "*"),
    **dict.fromkeys("○◌◦", "o"),
    **dict.fromkeys("‘’‚", "'"),
    **dict.fromkeys("“”„", '"'),
    "±": "+/-",
    "φ": "phi",
    "α": "alpha",
    "…": "...",
    "→": "->",
    "←": "<-",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "√": "sqrt",
    "†": "+",
    "║": "|",
    "═": "=",
    "█": "#",
    "▏": "|",
    "✓": "ok",
}


class ReaderLeft(Exception):
    """Our output has no reader any more; click would make an error of the BrokenPipeError that says so."""


class Terminal(Console):
    """rich's console, but a pipe whose reader has left ends the whole command."""

    wide = False
    """Whether tables keep all columns, however narrow the terminal is (--wide)."""

    def say(self, sentence: Text) -> None:
        """Print a sentence, as `lines` divides it."""
        for line in self.lines(sentence):
            self.print(line, soft_wrap=True)

    def lines(self, sentence: Text) -> list[Text]:
        """The lines of a sentence: on a terminal divided between words, elsewhere as it is; nothing is cut."""
        lines = sentence.split("\n", allow_blank=True)
        return [part for line in lines for part in wrapped(line, self.width)] if self.is_terminal else list(lines)

    def on_broken_pipe(self) -> NoReturn:
        """Let `main` end the command; rich would end it with an error of its own."""
        raise BrokenPipeError


def prepare() -> None:
    """Make standard output and error usable: closed ones take everything, narrow ones get readable signs."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would take its number, and be written to
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_READABLE)


def abandon() -> None:
    """Send what is still to be written to nowhere, so that Python does not complain at its exit either."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


def reader_left() -> bool:
    """Whether the pipe that we write to has no reader any more; other pipes and connections may break too."""
    if not hasattr(select, "poll"):  # Windows cannot say which pipe broke: it is most likely this one
        return True
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            poll.register(stream.fileno(), 0)
    return any(what & select.POLLERR for _, what in poll.poll(0))


def takes_all_signs(stream: TextIO) -> bool:
    """Whether a stream can write any text, as UTF-8 does."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return codecs.lookup(encoding).name.startswith("utf")


def _readable(error: UnicodeError) -> tuple[str, int]:
    """What stands for signs that a stream cannot write: the nearest ASCII, or a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(map(_nearest, signs)), error.end


def _nearest(sign: str) -> str:
    if sign in _SIGNS:
        return _SIGNS[sign]
    plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return plain or "?"


codecs.register_error(_READABLE, _readable)
