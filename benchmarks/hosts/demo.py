"""`make demo-hosts`: the round of `ratatouille demo` on hosts of their own, through the front door.

`python -m benchmarks.hosts.demo [--folder DIR]` (Linux, root)

Each of the four contributors of the demonstration sits on a host of its own (a network namespace) with an empty home,
and the coordinator on a fifth. A contributor's host reaches port 443 of the coordinator's name and nothing else; the
last one reaches a CONNECT proxy and nothing else. All of them join by an invitation.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.hosts.federation import COORDINATOR, NAME, PORT, PROXY, HostFederation
from benchmarks.hosts.network import Network, why_not
from benchmarks.output import REFUSED
from coordinator.commands.demo import FOUNDATION, NODES, ROUND, node_file, write_images, write_settings
from coordinator.commands.follow import follow
from coordinator.commands.shown_report import show_report
from coordinator.results import result
from ratatouille.errors import RatatouilleError, Refusal
from ratatouille.tasks.emoji import emoji_tasks

_FOUNDATION_PIXELS = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="an empty folder for homes and logs (default: a temporary one)")
    chosen = parser.parse_args(arguments)
    if (reason := why_not()) is not None:
        print(f"error: {reason}; `make demo` needs neither and runs on any machine", file=sys.stderr)
        return REFUSED
    with ExitStack() as stack:
        folder = chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ratatouille-hosts-")))
        try:
            _run(folder.resolve())
        except RatatouilleError as error:
            print(f"error: {error}", file=sys.stderr)
            return REFUSED
    return 0


def _run(folder: Path) -> None:
    began = time.monotonic()

    def say(sentence: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {sentence}", flush=True)

    folder.mkdir(parents=True, exist_ok=True)
    data = write_images(folder)
    say(f"drew the images of {len(data)} tasks in {folder}")
    with Network(folder / "hosts") as network, HostFederation(network) as federation:
        say(f"the coordinator is up on a host of its own; of it others see its front door, {NAME}:{PORT} (TLS)")
        for task in (ROUND["target"], *ROUND["auxiliaries"]):
            federation.registry.definitions.define_task(emoji_tasks()[task])
        pixels = str(_FOUNDATION_PIXELS)
        done = federation.run(COORDINATOR, "foundation", FOUNDATION, "--as", "foundation", "--image-size", pixels)
        if done.returncode:
            raise Refusal(f"the foundation was not entered: {done.stderr.strip()}")
        say(f"entered {FOUNDATION} as the foundation")
        *straight, last = NODES
        for name in NODES:
            federation.connect(name, behind_proxy=name == last)
        say(f"{', '.join(straight)} reach {NAME}:{PORT} and nothing else; {last} reaches {PROXY}:3128 and nothing else")
        invitation = federation.invite(uses=len(NODES))
        say(f"the owner made an invitation for {len(NODES)}: {invitation[:40]}…")
        for name in NODES:
            federation.join(name, node_file(folder, name, data), invitation)
        federation.await_nodes(*NODES)
        say(f"{len(NODES)} nodes have joined: {', '.join(NODES)}")
        _round(federation, write_settings(folder / "round.toml", ROUND))
        print(_members(federation))
        say(f"the round is done; {PROXY} passed on {federation.log(PROXY).count('CONNECT')} connections, all to {NAME}")


def _round(federation: HostFederation, file: Path) -> None:
    """Request the round at the coordinator's host, follow it, and show its report."""
    done = federation.run(COORDINATOR, "round", "run", str(file), "--detach")
    if done.returncode:
        raise Refusal(f"the round was not accepted: {done.stderr.strip()}")
    registry = federation.registry
    (record,) = registry.rounds.rounds(limit=1)
    follow(registry, record.id)
    record = registry.rounds.round(record.id)
    if record.state != "done":
        raise Refusal(f"the round {record.state}: {record.reason}")
    show_report(result(registry, record))


def _members(federation: HostFederation) -> str:
    return federation.run(COORDINATOR, "members", "list").stdout


if __name__ == "__main__":
    sys.exit(main())
