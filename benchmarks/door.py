"""Weights through the front door: push and fetch of a large model through it, beside plain loopback in the same run.

`python -m benchmarks.door [--json] [--turns N] [--numbers N]`

A registry and a door before it, as `coordinator up --public` starts them, both on this machine. A client pushes a model
of 346 MB (86.5 million numbers, as a ViT-B has) and fetches it with an empty cache: straight from the registry, then
through the door with TLS, by turns. What the door costs is encryption on both sides and one more process that copies.
On one machine client, door and registry share its processors. Limit: a third of the speed of plain loopback.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import ssl
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.measure import in_fresh_process
from benchmarks.output import REFUSED, Report, told
from benchmarks.registry.__main__ import TURNS, VIT_B16
from benchmarks.registry.transfers import service, timed
from benchmarks.registry.weights import architecture, model
from coordinator.door.config import LoopbackPorts
from coordinator.door.process import Door
from coordinator.door.settings import PublicSettings
from coordinator.loopback_tls import loopback_tls
from ratatouille.exchange.signing import Signer
from ratatouille.home import home
from ratatouille.processes import free_port
from registry.enrolment import enrol
from registry.member_signer import MemberSigner
from registry.opening import open_registry

LEAST = 1 / 3
"""Of the speed of plain loopback: the limit."""
NAME = "127.0.0.1"


def compared(numbers: int, turns: int) -> Report:
    """Medians of some turns, each with a model of its own for each way."""
    seconds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as root, _home(Path(root) / "home"):
        folder = Path(root)
        with service(folder) as (plain, _), _door(folder, plain) as door:
            through = f"grpcs://{door.public.address}"
            signer, network = _member(plain, through, door), architecture(numbers)
            with closing(open_registry(plain)) as registry:
                registry.definitions.define_architecture(network)
            for turn in range(turns):
                for way, url in (("loopback", plain), ("door", through)):
                    sealed, files = model(signer, network, 2 * turn + (way == "door"), folder)
                    ((digest, path),) = files.items()
                    cache, size = folder / f"cache-{digest}", path.stat().st_size
                    seconds[f"push {way}"].append(in_fresh_process(timed, url, cache, size, "push", sealed, files))
                    seconds[f"fetch {way}"].append(in_fresh_process(timed, url, cache, size, "fetch", digest))
                    path.unlink()
    took = {name: median(each) for name, each in seconds.items()}
    rows = [_row(transfer, size, took) for transfer in ("push", "fetch")]
    return {"megabytes": round(size / 1e6), "turns": turns, "transfers": rows, "met": all(row["met"] for row in rows)}


def _row(transfer: str, size: int, took: dict[str, float]) -> Report:
    plain, through = took[f"{transfer} loopback"], took[f"{transfer} door"]
    return {
        "transfer": transfer,
        "loopback_seconds": round(plain, 3),
        "door_seconds": round(through, 3),
        "loopback_megabytes_per_second": round(size / plain / 1e6),
        "door_megabytes_per_second": round(size / through / 1e6),
        "share": round(plain / through, 2),
        "limit": round(LEAST, 2),
        "met": plain / through >= LEAST,
    }


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """A home of the benchmark's own: it is the registry's owner, and a member who comes through the door."""
    before = os.environ.get("RATATOUILLE_HOME")
    os.environ["RATATOUILLE_HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("RATATOUILLE_HOME")
        os.environ |= {} if before is None else {"RATATOUILLE_HOME": before}


@contextmanager
def _door(folder: Path, registry: str) -> Iterator[Door]:
    """A door before a registry; there is no SuperLink behind it, and nobody asks for one."""
    behind = LoopbackPorts(int(registry.rpartition(":")[2]), free_port(), loopback_tls(folder / "tls"))
    door = Door(folder / "door", PublicSettings(name=NAME, port=free_port()), behind, folder / "door.log")
    try:
        door.start(None).wait_until_ready(threading.Event())
        yield door
    finally:
        door.stop()


def _member(plain: str, through: str, door: Door) -> Signer:
    """The key of this home, which is a maintainer's at the door from now on."""
    signer = Signer.open(home() / "key")
    pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(str(door.authority))).hexdigest()
    with closing(open_registry(plain)) as registry:
        enrol(MemberSigner(registry, signer, "bench").invite(through, pin, role="maintainer"), "bench")
    return signer


def _show(report: Report, console: Console) -> None:
    title = f"{report['megabytes']} MB, median of {report['turns']}"
    table = Table("", "loopback, s", "MB/s", "door, s", "MB/s", "share of loopback's speed", title=title, box=None)
    for row in report["transfers"]:
        numbers: tuple[str, ...] = (f"{row['loopback_seconds']:.2f}", str(row["loopback_megabytes_per_second"]))
        numbers += (f"{row['door_seconds']:.2f}", str(row["door_megabytes_per_second"]))
        table.add_row(row["transfer"], *numbers, f"{row['share']:.2f} (limit {row['limit']:.2f})")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 1 when the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--turns", type=int, default=TURNS, help="transfers whose median counts")
    parser.add_argument("--numbers", type=int, default=VIT_B16, help="numbers of the model")
    chosen = parser.parse_args(arguments)
    report = told(lambda: compared(chosen.numbers, chosen.turns), _show, chosen.json)
    if report is None:
        return REFUSED
    return 0 if report["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
