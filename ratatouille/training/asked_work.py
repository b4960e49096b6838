"""Work to try on a node's device: what rounds ask of its data, or, before any round, what the foundation suggests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ratatouille.errors import Refusal
from ratatouille.recipes.protocol import PROTOCOLS, Protocol
from ratatouille.recipes.round import Round
from ratatouille.tasks.data import LocalData
from ratatouille.training.preflight import DeviceWork
from ratatouille.weights.architecture import Architecture

_MOST_IMAGES = 64
"""A forward pass takes no more at once; they are the same in every pass of the trial."""


def work_of(
    holdings: Iterable[LocalData],
    specs: Sequence[str],
    foundation: str | None,
    find: Callable[[str], Architecture],
    trains: bool,
) -> tuple[DeviceWork, ...]:
    """What rounds ask of these holdings: as the latest round about the task does, else as the foundation suggests.

    Of several holdings of one task the largest is tried: the work with the others is the same. Where no round has said
    how many domains it trains on, a step has the images of one domain: more would be a guess, and may need gigabytes
    that no round asks for.

    Args:
        holdings: the node's data.
        specs: rounds that the registry has and that did not fail, as JSON, the latest first.
        foundation: digest of the architecture of the released weights, None when there are none.
        find: finds an architecture by its digest.
        trains: whether the node trains.
    """
    rounds = [round for round in map(_round, specs) if round is not None]
    found = []
    largest = {data.task.digest: data for data in sorted(holdings, key=len)}
    for data in largest.values():
        task = data.task
        asked = next((one for one in rounds if _about(one, task.digest)), None)
        if asked is not None:
            values, network, source = asked.protocol, find(asked.architecture), f"round {asked.name}"
            domains = _trained(asked, data)
        elif foundation is not None:
            values, network = PROTOCOLS["domainbed"], find(foundation)
            values = values.model_copy(update={"image_size": network.input_size})
            source = "no round has asked yet"
            domains = 1
        else:
            continue
        work = _work(data, values, network, source, domains if trains else 0)
        found.append(work.model_copy(update={"asked": asked is not None}))
    return tuple(found)


def _round(spec: str) -> Round | None:
    """The round of a stored record; None for one of other software, which this software cannot read."""
    try:
        return Round.from_json(spec)
    except Refusal:
        return None


def _about(round: Round, task: str) -> bool:
    return task == round.task or any(one.task == task for one in round.auxiliaries)


def _trained(round: Round, data: LocalData) -> int:
    """How many domains of this holding the round trains on."""
    held_out = round.held_out if data.task.digest == round.task else ()
    return len(set(data.holding.domains) - set(held_out))


def _work(data: LocalData, values: Protocol, network: Architecture, source: str, domains: int) -> DeviceWork:
    """The work of a training on so many domains; with 0 nothing is trained."""
    some = data.listing[:: max(1, len(data) // _MOST_IMAGES)][:_MOST_IMAGES]
    digests = data.digests[:: max(1, len(data) // _MOST_IMAGES)][:_MOST_IMAGES]
    return DeviceWork(
        task=data.task.name,
        classes=len(data.task.classes),
        architecture=network,
        image_size=values.image_size,
        batch=values.batch * domains,
        steps=values.steps if domains else 0,
        images=len(data),
        paths=tuple(str(example.path.absolute()) for example in some),
        digests=digests,
        source=source,
    )
