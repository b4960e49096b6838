"""Text that others wrote, made fit for terminals and logs: no control characters, nothing that turns writing around.

A label, a name or a message may hold colours, line ends, U+202E or other marks that are not seen but steer what is. In
sentences they become spaces; in a log line ends too, so that one message is one line; in JSON they are escaped, which
loses nothing.
"""

from __future__ import annotations

import logging

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def printable(text: str) -> str:
    """Lines without control characters and invisible marks: each is a space now."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


def one_line(text: str) -> str:
    """The same, with a visible mark where a line ended."""
    return printable(text.rstrip("\n").replace("\r\n", "\n").replace("\n", " ⏎ "))


def printable_json(text: str) -> str:
    """A JSON text of the same value in which such characters are escaped; they occur within its strings only."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else _escape(sign) for sign in text)


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))


class PrintableFormatter(logging.Formatter):
    """Formats a record as one line; a traceback follows on indented lines, so that no line of it passes for another."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line."""
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802
        """The traceback."""
        lines = super().formatException(ei).split("\n")  # type: ignore[arg-type]
        return "\n".join(f"  {printable(line)}" for line in lines)


class PrintableFilter(logging.Filter):
    """The same for the logger of another program, whose handlers stay as they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mend the message; every record passes."""
        record.msg, record.args = one_line(record.getMessage()), None
        return True


def log_printably(format: str = LOG_FORMAT, level: int = logging.INFO) -> None:
    """Have this process log to standard error, as `logging.basicConfig` does, in printable lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter(format))
    logging.basicConfig(level=level, handlers=[handler])
