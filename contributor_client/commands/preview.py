"""`ratatouille node preview`: the receipt that a node would send, or sent last, field by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from contributor_client.commands.outbox import chosen_folder, signer_of
from ratatouille.cli.output import AsJson, Home, Remote, TableLayout, print_json, print_line, print_table, short
from ratatouille.errors import Refusal

if TYPE_CHECKING:
    from contributor_client.preview import AnsweringNode, Preview
    from ratatouille.exchange.order import Order
    from registry.services.registry import Registry

FIELDS = TableLayout(("field", "bytes", "here", "what it says"), prose=("here", "what it says"))
_WIDTH = 60
"""Characters of a value that people see; `--json` has all of it."""


def preview(
    order: Annotated[
        str | None,
        typer.Argument(help="A file with an order, or the beginning of a question's id (work id).", metavar="[ORDER]"),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The last receipt that was sent, or was about to be.")] = False,
    node: Annotated[
        str | None,
        typer.Option("--node", help="The node's name or its node.toml (default: the only one here).", metavar="NODE"),
    ] = None,
    folder: Home = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show the receipt that a node would send for an order, or sent last, field by field, with sizes.

    Nothing is trained, and only questions to the registry are sent. A value that only the work can give is a
    placeholder of the right size, marked with ~.
    """
    if (order is None) != last:
        raise Refusal(
            "say an order or --last; `ratatouille node outbox --kind lease` lists the questions that the node worked on"
        )
    place = chosen_folder(node, folder)
    found = _last(place) if order is None else _would_be(order, place, node, remote)
    if as_json:
        print_json(found)
        return
    _show(found)


def _last(place: Path) -> Preview:
    from contributor_client.paths import NodePaths
    from contributor_client.preview import preview_of_sent
    from ratatouille.exchange.signing import Sealed
    from ratatouille.outbox import last_receipt, sent_messages

    outbox = NodePaths(place).outbox
    sealed = last_receipt(outbox)
    if sealed is None:
        raise Refusal(f"the node of '{place}' has sent no receipt yet; name an order to see what it would send")
    sizes: dict[str, int] = {}
    for one in sent_messages(outbox):
        if one.kind == "weights" and one.sha256 is not None:
            sizes[one.sha256] = sizes.get(one.sha256, 0) + one.bytes
    return preview_of_sent(Sealed.from_json(sealed), sizes)


def _would_be(order: str, place: Path, node: str | None, remote: str | None) -> Preview:
    from contributor_client.preview import find_order, preview_of
    from registry.commands.opened import opened

    with opened(remote) as registry:
        asked = _read(Path(order)) if Path(order).is_file() else find_order(registry, order)
        here, notes = _here(registry, asked, place, node)
        found = preview_of(asked, here, registry)
    return found.model_copy(update={"notes": (*found.notes, *notes)})


def _read(file: Path) -> Order:
    """The order in a file: signed as the coordinator sends it, or bare.

    Raises:
        Refusal: when it is none.
    """
    from ratatouille.exchange.order import Order
    from ratatouille.exchange.signing import Sealed

    data = file.read_bytes()
    try:
        signed = "signature" in json.loads(data)
    except (ValueError, TypeError) as error:
        raise Refusal(f"'{file}' has no order: it is no JSON") from error
    return Order.from_json(Sealed.from_json(data).body if signed else data)


def _here(registry: Registry, order: Order, place: Path, node: str | None) -> tuple[AnsweringNode, list[str]]:
    """The node that would answer, and notes on what is not known of it."""
    from contributor_client.order_checks import Budget, networks_of
    from contributor_client.paths import NodePaths
    from contributor_client.preview import AnsweringNode
    from ratatouille.exchange.assignment import NodeAssignment
    from ratatouille.exchange.receipt import Disclosure
    from ratatouille.tasks.node import NodeSettings, read_node_settings

    paths, notes = NodePaths(place), []
    limits = {name: NodeSettings.model_fields[name].default for name in ("smallest_count", "networks_per_week")}
    if node is not None and node.endswith(".toml"):
        settings = read_node_settings(Path(node))
        limits = {name: getattr(settings, name) for name in limits}
    else:
        notes.append("smallest_count and networks_per_week are the usual ones; --node node.toml takes the node's own")
    key = signer_of(place).node
    offers = [one for one in registry.work.offers() if one.node == key]
    if not offers:
        notes.append("the node is not here now, so the numbers of its images are not known and stand as 0")
    within = True
    if isinstance(order.assignment, NodeAssignment):
        left = Budget(paths.budget, limits["networks_per_week"]).left(order.assignment.fingerprint)
        within = left >= networks_of(order.assignment)
    if not within:
        notes.append("the budget of this week is used up: a training would send no counts, other work is refused")
    holdings = [holding for offer in offers for holding in offer.holdings]
    return AnsweringNode(key, holdings, Disclosure(smallest=limits["smallest_count"], counts=within)), notes


def _show(found: Preview) -> None:
    what = "was sent, or was about to be" if found.sent else "would be sent"
    label = f" ({found.label})" if found.label else ""
    print_line(f"The receipt that {what} for question {short(found.work_id)}, {found.kind}{label}: {found.bytes} bytes")
    rows = [
        (one.field, str(one.bytes), ("~ " if one.placeholder else "") + _cut(one.value), one.means)
        for one in found.fields
    ]
    rows.append(("signature", "128", "", "signature of all of it by the node's key"))
    print_table(FIELDS, rows)
    for part in found.weights:
        size = "an unknown number of bytes" if part.bytes is None else decimal(part.bytes)
        print_line(f"weights, {part.part}: {size}" + ("" if part.placeholder else f", digest {short(part.sha256)}"))
    if not found.weights:
        print_line("no weights leave with it")
    if not found.sent:
        print_line("~ marks a placeholder: only the work can give the value")
    for note in found.notes:
        print_line(f"note: {note}", "yellow")


def _cut(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
