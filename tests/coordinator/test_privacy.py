"""What leaves a node when it cannot read its data: every such refusal, through a real federation, leaves no name."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import tomli_w
from PIL import Image

from ratatouille.exchange.order import Failed
from ratatouille.tasks.synthetic import CLASSES, draw_shape
from registry.records import RoundRecord
from registry.schema import metadata
from registry.web.server import application
from tests.coordinator.federation import SIZE, Federation, Ground, wait_until
from tests.ratatouille.cli.call import call
from tests.registry.web.conftest import TestClient

PERSON, PLACE, LOGIN = "smith", "clinic-of-st-swithin", "dr-who-logs-in"
Change = Callable[[Path], Any]


def _first(folder: Path) -> Path:
    return sorted(folder.rglob("*.png"))[0]


def _lines(file: Path, change: Callable[[list[list[str]]], Any]) -> None:
    with file.open() as lines:
        rows = list(csv.reader(lines))
    change(rows)
    with file.open("w", newline="") as written:
        csv.writer(written).writerows(rows)


def _huge(path: Path) -> None:
    """A small file that says that it has 60,000 × 60,000 pixels."""
    Image.new("1", (60_000, 60_000)).save(path)


def _swap(folder: Path) -> None:
    """Label one image otherwise."""
    circle, square = sorted((folder / "day").iterdir())[:2]
    one = _first(circle)
    one.rename(square / f"{PERSON}-relabelled.png")


def _empty(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.unlink()


AT_START: dict[str, tuple[str, Change]] = {
    "truncated": ("image-damaged", lambda at: os.truncate(_first(at), 150)),
    "text": ("image-unknown-format", lambda at: _first(at).write_text(f"the scan of {PERSON}")),
    "bomb": ("image-too-large", lambda at: _huge(_first(at))),
    "depth": ("image-depth", lambda at: Image.new("F", (8, 8)).save(_first(at), format="TIFF")),
    "removed": ("folder-missing", shutil.rmtree),
    "emptied": ("folder-empty", _empty),
    "layout": ("folder-layout", lambda at: shutil.copy(_first(at), at / f"{PERSON}.png")),
    "link": ("folder-entry", lambda at: (at / "day" / PERSON).symlink_to("/", target_is_directory=True)),
    "pipe": ("folder-entry", lambda at: os.mkfifo(_first(at).with_name(f"{PERSON}-pipe.png"))),
    "label": ("label-unknown", lambda at: _first(at).parent.rename(at / "day" / PERSON)),
    "domain": ("domain-mapping", lambda at: (at / "day").rename(at / PERSON)),
    "relabelled": ("data-changed", _swap),
    "added": ("data-changed", lambda at: _altered(_first(at), _first(at).with_name(f"{PERSON}-new.png"))),
    "class": ("class-missing", lambda at: shutil.rmtree(sorted((at / "night").iterdir())[0])),
    "group": ("group-unknown", lambda at: _first(at).rename(_first(at).with_name("nobody.png"))),
    "secret": ("secret-unreadable", lambda at: (at / ".secret").unlink()),
    "csv-removed": ("manifest-missing", lambda at: (at / f"{PERSON}.csv").unlink()),
    "csv-column": (
        "manifest-column",
        lambda at: _lines(at / f"{PERSON}.csv", lambda rows: rows[0].__setitem__(1, "x")),
    ),
    "csv-line": ("manifest-line", lambda at: _lines(at / f"{PERSON}.csv", lambda rows: rows[1].__setitem__(1, ""))),
    "csv-image": ("image-missing", lambda at: _first(at).unlink()),
    "csv-twice": ("manifest-twice", lambda at: _lines(at / f"{PERSON}.csv", lambda rows: rows.append(rows[1]))),
    "csv-labels": (
        "label-several",
        lambda at: _lines(at / f"{PERSON}.csv", lambda rows: rows.append([rows[1][0], rows[-1][1], rows[1][2], ""])),
    ),
    "csv-text": ("manifest-format", lambda at: (at / f"{PERSON}.csv").write_bytes(b"file_name,label\n\xff\xfe")),
    "csv-empty": (
        "manifest-empty",
        lambda at: _lines(at / f"{PERSON}.csv", lambda rows: rows.__delitem__(slice(1, None))),
    ),
    "csv-torn": ("group-torn", lambda at: _lines(at / f"{PERSON}.csv", _tear)),
}
"""What happens to data before the worker is started again, and the code that it should give."""

AT_WORK: dict[str, tuple[str, Change]] = {
    "changed": ("data-changed", lambda at: _altered(_first(at), _first(at))),
    "gone": ("data-changed", lambda at: _first(at).unlink()),
    "no-file": ("data-changed", lambda at: _into_a_folder(_first(at))),
}
"""What happens to data that the worker has open."""


def _altered(source: Path, target: Path) -> None:
    with Image.open(source) as image:
        changed = image.convert("RGB")
    changed.putpixel((0, 0), (1, 2, 3))
    changed.save(target)


def _into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _tear(rows: list[list[str]]) -> None:
    """Two rows of one group on two sides of the split."""
    rows[0].append("group")
    for row in rows[1:]:
        row.append(row[0])
    rows[1][3:], rows[2][3:] = ["train", PERSON], ["test", PERSON]


def _drawn() -> dict[Path, Image.Image]:
    """The images of a case by their path in its folder, without the pixel that tells the cases apart."""
    return {
        Path(style, shape, f"{PERSON}-{shape}-{number:03d}.png"): draw_shape(shape, style, number, SIZE)
        for style in ("day", "night")
        for shape in CLASSES["shapes"]
        for number in range(6)
    }


def _table(folder: Path, case: str, number: int, drawn: dict[Path, Image.Image]) -> dict[str, Any]:
    """Make the data of a case and return its table of node.toml; every case has pixels of its own."""
    place = folder / case
    for path, image in drawn.items():
        own = image.copy()
        own.putpixel((1, 1), (number, number, 7))
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        own.save(place / path)
    table: dict[str, Any] = {"task": "shapes", "path": str(place), "domains": ["day", "night"]}
    if case == "group":
        table["group"] = f"({PERSON}-[a-z]+-[0-9]+)"
    if case == "secret":
        (place / ".secret").write_text("x" * 32)
        table["fingerprint_secret_file"] = str(place / ".secret")
    if case.startswith("csv"):
        with (place / f"{PERSON}.csv").open("w", newline="") as file:
            rows = [[str(path.relative_to(place)), path.parent.name, path.parts[-3], ""] for path in _images(place)]
            csv.writer(file).writerows([["file_name", "label", "domain", "split"], *rows])
        table["path"] = str(place / f"{PERSON}.csv")
    return table


def _images(place: Path) -> list[Path]:
    return sorted(place.rglob("*.png"))


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Federation, RoundRecord]]:
    """A federation with a node of which all data was broken in some way, and the round that asked for it."""
    folder, home = tmp_path_factory.mktemp(PLACE), tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("LOGNAME", LOGIN)
        patch.setenv("USER", LOGIN)
        cases = {**AT_START, **AT_WORK}
        drawn = _drawn()
        tables = [_table(folder / f"data-of-{PERSON}", case, number, drawn) for number, case in enumerate(cases)]
        ground = Ground(tmp_path_factory.mktemp("ground"), steps=8)
        ground.node_file("quinn").write_text(tomli_w.dumps({"name": "quinn", "device": "cpu", "data": tables}))
        federation = Federation(ground, home)
        stack.push(federation.__exit__)
        federation.start_coordinator()
        ground.enter(federation.registry)
        federation.start_node("quinn")
        wait_until(lambda: len(federation.registry.work.offers()) == 1, 240, "the node has joined")
        log = home / "nodes" / "quinn" / "logs" / "worker.log"
        wait_until(lambda: log.exists() and "worker ready" in log.read_text(), 180, "the worker is ready")
        for case, (_, change) in AT_START.items():
            change(folder / f"data-of-{PERSON}" / case)
        _kill_worker(federation.processes["quinn"].pid)
        wait_until(lambda: log.read_text().count("worker ready") == 2, 180, "the worker is ready again")
        for case, (_, change) in AT_WORK.items():
            change(folder / f"data-of-{PERSON}" / case)
        file = ground.write_round("broken", 8, recipes=["linear_probe"], evaluate_held_out=False)
        round = federation.request(file)
        record = federation.finish(round, 400)
        # The node says what is parked at its next offer.
        wait_until(lambda: len(federation.registry.work.offers()[0].parked) == len(cases), 60, "all is parked")
        yield federation, record


def _kill_worker(node: int) -> None:
    for process in psutil.Process(node).children(recursive=True):
        words = " ".join(process.cmdline())
        if "-m contributor_client.worker" in words and "reaper.py" not in words:
            process.kill()


def _found(data: bytes, numbers: bool = False) -> list[str]:
    """Names of the node's machine, its people and files that are in these bytes.

    A short name of a host, such as "vm", occurs in numbers by chance, so it is not looked for there: in weights and in
    the files of databases, whose rows are looked at one by one.
    """
    found = [name for name in (PERSON, PLACE, LOGIN, ".png", ".csv") if name.encode() in data]
    host = rb"(?<![A-Za-z0-9])" + re.escape(socket.gethostname().encode()) + rb"(?![A-Za-z0-9])"
    return found if numbers or not re.search(host, data) else [*found, "the host"]


def _said(*words: str, federation: Federation) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATATOUILLE_HOME", str(federation.home / "reader"))
        patch.setenv("COLUMNS", "4000")
        called = call(*words, "--remote", federation.address)
    assert called.code == 0, called.err
    return called.out.encode()


def test_every_refusal_of_data_reading_arrives_as_its_code(refused: tuple[Federation, RoundRecord]) -> None:
    federation, record = refused
    events = [event for event in federation.registry.rounds.events(limit=10_000) if event.kind == "failure"]
    codes = sorted(event.text.rpartition("[")[2].rstrip("]") for event in events)
    assert codes == sorted(code for code, _ in (*AT_START.values(), *AT_WORK.values()))
    assert record.state == "failed"
    assert record.reason.startswith("nobody is left to do ")


def test_no_name_is_in_any_file_of_the_coordinator(refused: tuple[Federation, RoundRecord]) -> None:
    federation, _ = refused
    files = [path for path in (federation.home / "coordinator").rglob("*") if path.is_file()]
    files.append(federation.home / "coordinator.log")
    assert {"registry.db", "round-"} <= {path.name if path.suffix == ".db" else path.name[:6] for path in files}
    for path in files:
        found = _found(path.read_bytes(), numbers="blobs" in path.parts or ".db" in path.name)
        assert not found, (path, found)


def test_no_name_is_in_any_row_or_page_or_answer_of_a_command(refused: tuple[Federation, RoundRecord]) -> None:
    federation, record = refused
    texts = {
        path: TestClient(application(federation.registry), base_url="http://localhost").get(path).content
        for path in ("/live", f"/rounds/{record.id}", "/rounds", "/contributors", f"/rounds/{record.id}?format=json")
    }
    for words in (
        ("round", "status", record.id),
        ("round", "status", record.id, "--json"),
        ("round", "logs", record.id),
        ("round", "logs", record.id, "--json"),
        ("round", "list", "--json"),
        ("node", "status"),
        ("node", "status", "--json"),
    ):
        texts[" ".join(words)] = _said(*words, federation=federation)
    database = federation.home / "coordinator" / "registry" / "registry.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as rows:
        for table in metadata.tables:
            texts[table] = repr(rows.execute(f"select * from {table}").fetchall()).encode()
        failures = [text for (text,) in rows.execute("select text from events where kind = 'failure'")]
    assert all(Failed.from_json(text).failure.code for text in failures)
    assert b"image-damaged" in texts[f"round logs {record.id}"]
    assert b"parked: " in texts["node status"]
    assert b"parked" in texts["/live"]
    for what, text in texts.items():
        found = _found(text)
        assert not found, (what, found)


def test_the_sentences_with_names_are_in_the_nodes_own_terminal_and_log(
    refused: tuple[Federation, RoundRecord],
) -> None:
    federation, _ = refused
    terminal = (federation.home / "quinn.log").read_text()
    assert "parked: the image '" in terminal
    assert PERSON in terminal
    assert PERSON in (federation.home / "nodes" / "quinn" / "logs" / "worker.log").read_text()
    offers = json.loads(_said("node", "status", "--json", federation=federation))
    assert len(offers["nodes"][0]["offer"]["parked"]) == len(AT_START) + len(AT_WORK)
