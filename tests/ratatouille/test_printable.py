"""Text that others wrote cannot steer terminals, forge lines of logs, or hide."""

import json
import logging
import os
import subprocess
import sys

import pytest

from ratatouille.printable import LOG_VARIABLE, PrintableFilter, PrintableFormatter, one_line, printable, printable_json

FORGED = "soup run 3 of 5\n2026-11-28 12:00:00 \x1b[31mworker ready\x1b[0m\r\u202egnp.exe\x00\u2028\x9b\u200b"


def test_a_label_with_line_ends_and_colours_is_one_plain_line() -> None:
    said = one_line(FORGED)
    assert said.isprintable()
    assert said.startswith("soup run 3 of 5 ⏎ 2026-11-28 12:00:00  [31mworker ready")


def test_what_people_write_stays() -> None:
    for text in ("“better” – by 2 %", "Häuser über 日本語 🍅", "a b"):
        assert printable(text) == one_line(text) == text
        assert json.loads(printable_json(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_json_keeps_its_value_and_shows_every_sign(ensure_ascii: bool) -> None:
    value = {"name\u202e": [FORGED, "\x7f", "\U000e0041", "\ud800"], "more": {"a": 1}}
    text = printable_json(json.dumps(value, ensure_ascii=ensure_ascii, indent=1))
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert json.loads(text) == value


def test_a_logged_message_is_one_line_and_its_traceback_is_indented() -> None:
    formatter = PrintableFormatter("%(levelname)s %(message)s")
    try:
        raise ValueError("first\nINFO forged \x1b[31m")
    except ValueError as error:
        record = logging.LogRecord("x", logging.INFO, "", 0, "order: %s", (FORGED,), (ValueError, error, None))
    lines = formatter.format(record).split("\n")
    assert lines[0].startswith("INFO order: soup run 3 of 5 ⏎ ")
    assert len(lines) > 2
    assert all(line.startswith("  ") for line in lines[1:])
    assert all(line.isprintable() for line in lines)


def test_the_log_of_another_program_is_mended_too() -> None:
    record = logging.LogRecord("flwr", logging.INFO, "", 0, "Receiving: %s", (FORGED,), None)
    assert PrintableFilter().filter(record)
    assert record.getMessage().isprintable()


def test_another_programs_log_is_json_too_whatever_handlers_it_makes_later() -> None:
    script = (
        "import logging; from ratatouille.printable import log_printably_as; log_printably_as('other');"
        "log = logging.getLogger('other'); log.setLevel(logging.DEBUG); log.addHandler(logging.StreamHandler());"
        "log.warning('a\\nb'); log.debug('left out')"
    )
    environment = os.environ | {LOG_VARIABLE: "json"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["a\nb"]
