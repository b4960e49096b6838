"""`ratatouille node outbox`: everything that left this machine for a node, newest last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from contributor_client.commands.control import NodeArgument, folder_of
from ratatouille.cli.output import AsJson, Home, TableLayout, print_json, print_line, print_table, short, when
from ratatouille.errors import Refusal
from ratatouille.home import home
from ratatouille.wording import did_you_mean

if TYPE_CHECKING:
    from ratatouille.exchange.signing import Signer
    from ratatouille.outbox import SentMessage

_COLUMNS = ("when (UTC)", "what", "digest", "bytes", "times")
OUTBOX = TableLayout(_COLUMNS, drop=("times", "digest"), prose=("what",))
SEVERAL = TableLayout((*_COLUMNS, "to"), drop=("times", "digest", "bytes"), prose=("what",))
"""The table of a log whose messages went to several addresses."""
LANE = ("flower", "failure", "hint", "introduction")
"""Kinds of the work lane: what Flower carries, and the answers in it."""


def outbox(
    node: NodeArgument = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many, the newest.")] = 50,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only of this kind, such as receipt, weights, counts or offer.")
    ] = None,
    folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what left this machine for a node: when, what, its digest, how many bytes, and to whom.

    Every message is logged before it goes. A message and its repetitions are one row: renewals of an offer, questions,
    the pieces of one file. It works while the node runs and while it does not.
    """
    from contributor_client.paths import NodePaths
    from ratatouille.outbox import merge_repetitions, sent_messages

    place = chosen_folder(node, folder)
    logged = merge_repetitions(sent_messages(NodePaths(place).outbox))
    if kind is not None:
        refuse_unknown_kind(kind, [one.kind for one in logged])
    rows = [one for one in logged if kind in (None, one.kind)]
    shown = sorted(rows, key=lambda one: one.until or one.at)[-limit:]
    if as_json:
        print_json({"folder": str(place), "sent": shown, "left_out": len(rows) - len(shown), "bytes": _by_kind(rows)})
        return
    if not rows:
        print_line(f"nothing{f' of kind {kind}' if kind else ''} is logged for the node of '{place}'")
        return
    addresses = {one.to.rpartition("/")[2] for one in rows}  # the work lane's has no scheme
    if len(addresses) == 1:
        print_table(OUTBOX, [_row(one)[:-1] for one in shown])
        print_line(f"all of it went to {addresses.pop()}")
    else:
        print_table(SEVERAL, [_row(one) for one in shown])
    print_line(f"bytes by kind, since {when(min(one.at for one in rows))}: {_words(_by_kind(rows))}")


def refuse_unknown_kind(kind: str, logged: Sequence[str]) -> None:
    """Refuse a kind that no message has.

    Raises:
        Refusal: with the kinds that the log has, or that are possible where it has none.
    """
    from registry.transport.logged_channel import every_kind

    possible = {*every_kind(), *LANE, *logged}
    if kind not in possible:
        names = ", ".join(sorted(set(logged) or possible))
        where = "the kinds in this log are" if logged else "the kinds are"
        raise Refusal(f"no message has the kind '{kind[:80]}'; {where} {names}{did_you_mean(kind, possible)}")


def chosen_folder(node: str | None, folder: Path | None) -> Path:
    """The folder of the node that is meant, whether it runs or not.

    Raises:
        Refusal: when there is none, or it is not clear which one is meant.
    """
    if folder is not None or node is not None:
        place = folder or folder_of(str(node))
        if not place.is_dir():
            raise Refusal(f"there is no node in '{place}'; `ratatouille node join node.toml` makes one")
        return place
    found = sorted(path.parent for path in home().glob("nodes/*/key"))
    if not found:
        raise Refusal(f"there is no node below '{home()}'; `ratatouille node join node.toml` makes one")
    if len(found) > 1:
        raise Refusal(f"several nodes are here ({', '.join(one.name for one in found)}); say which one")
    return found[0]


def signer_of(place: Path) -> Signer:
    """The key of the node of a folder.

    Raises:
        Refusal: for a folder without a key; none is made.
    """
    from contributor_client.paths import NodePaths
    from ratatouille.exchange.signing import Signer

    if not NodePaths(place).key.exists():
        raise Refusal(f"the node of '{place}' has no key yet; `ratatouille node join node.toml` makes it")
    return Signer.open(NodePaths(place).key)


def _row(one: SentMessage) -> tuple[str, ...]:
    about = short(one.about) if len(one.about) == 64 else one.about
    what = f"{one.kind} {about}".strip()
    return when(one.until or one.at), what, short(one.sha256), decimal(one.bytes), str(one.times), one.to


def _by_kind(rows: list[SentMessage]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in rows:
        found[one.kind] += one.bytes
    return dict(found.most_common())


def _words(by_kind: dict[str, int]) -> str:
    return ", ".join(f"{kind} {decimal(size)}" for kind, size in by_kind.items())
