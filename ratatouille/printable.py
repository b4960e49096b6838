"""Text that others wrote, made fit for terminals and logs: no control characters, nothing that turns writing around.

A label, a name or a message may hold colours, line ends, U+202E or other marks that are not seen but steer what is. In
sentences they become spaces; in a log line ends too, so that one message is one line; in JSON they are escaped, which
loses nothing.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LOG_VARIABLE = "RATATOUILLE_LOG_FORMAT"
"""The environment variable by which all processes of a command log in one form: text (the default) or json."""


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


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object on one line, for programs that collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        values = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return printable_json(json.dumps(values, ensure_ascii=False))


def formatter(format: str = LOG_FORMAT) -> logging.Formatter:
    """What formats the records of this process: JSON where the environment asks for it, else printable lines."""
    return JsonFormatter() if os.environ.get(LOG_VARIABLE) == "json" else PrintableFormatter(format)


class PrintableFilter(logging.Filter):
    """The same for the logger of another program, whose handlers stay as they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mend the message; every record passes."""
        record.msg, record.args = one_line(record.getMessage()), None
        return True


def log_printably(format: str = LOG_FORMAT, level: int = logging.INFO) -> None:
    """Have this process log to standard error, as `logging.basicConfig` does, in printable lines or JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(format))
    logging.basicConfig(level=level, handlers=[handler])


def log_printably_as(name: str) -> None:
    """The same for the logger of another program, which has handlers and a form of its own."""
    json_asked = os.environ.get(LOG_VARIABLE) == "json"
    logging.getLogger(name).addFilter(_JsonInstead() if json_asked else PrintableFilter())


class _JsonInstead(logging.Filter):
    """Writes the records of another program's logger as JSON, in the place of that logger's own handlers."""

    def __init__(self) -> None:
        super().__init__()
        self._handler = logging.StreamHandler()
        self._handler.setFormatter(JsonFormatter())

    def filter(self, record: logging.LogRecord) -> bool:
        """Write the record; it goes no further."""
        if record.levelno >= logging.INFO:
            self._handler.handle(record)
        return False


def print_or_log(line: str) -> None:
    """Print a line for people at once; where the environment asks for logs in JSON, log it."""
    if os.environ.get(LOG_VARIABLE) == "json":
        logging.getLogger("ratatouille").info("%s", line)
    else:
        print(line, flush=True)
