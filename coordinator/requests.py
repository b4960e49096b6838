"""Requests for rounds: settings become a row in the registry, where the coordinator finds it.

A running round with these settings is found again, also if other nodes are online now. Its holdings were chosen when
it was requested, so it can be followed although a node has left since.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from coordinator.driver import RoundDriver
from coordinator.endings import WITHOUT
from coordinator.settings import RoundSettings, resolve
from ratatouille.errors import Refusal
from ratatouille.exchange.membership import Offer
from ratatouille.recipes.round import HoldingShare, Round
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.task import Split
from ratatouille.wording import number_of
from registry.lists import every
from registry.records import ALIVE, RoundRecord
from registry.services.registry import Registry


def request(
    settings: RoundSettings, registry: Registry, fresh: bool = False, say: Callable[[str], object] | None = None
) -> Round:
    """Enter a round, or set one going again that failed, was cancelled, or has open questions since it ended.

    Args:
        settings: what is wanted.
        registry: where it is entered.
        fresh: ask everything anew that earlier rounds of these settings have answered.
        say: gets a sentence when a finished round is set going again, since questions of it are open.

    Raises:
        Refusal: as `resolve` does.
    """
    if not fresh and (running := _running(settings, registry)) is not None:
        return running
    round = resolve(settings, registry)
    if fresh:
        known = {record.id for record in every(lambda last: registry.rounds.rounds((), last.id if last else None))}
        while round.id in known:
            round = resolve(settings, registry, round.repeat + 1)
    now = time.time()
    spec = round.to_json().decode()
    registry.rounds.request_round(
        RoundRecord(id=round.id, name=round.name, spec=spec, state="requested", created=now, changed=now)
    )
    if registry.rounds.move_round(round.id, ["failed", "cancelled"], "requested"):
        return round
    record = registry.rounds.round(round.id)
    if record.state == "done" and (count := gaps(record, registry)):
        sentence = f"open again since round {round.name} ended, and asked now: {number_of(count, 'question')}"
        registry.rounds.note(round.id, "reopened", round.id, sentence)
        registry.rounds.move_round(round.id, ["done"], "requested")
        if say is not None:
            say(sentence)
    return round


def _running(settings: RoundSettings, registry: Registry) -> Round | None:
    """The round that runs, or waits to, and that these settings asked for; None when there is none."""
    for record in registry.rounds.rounds(ALIVE):
        if record.name != settings.name:
            continue
        try:
            round = Round.from_json(record.spec)
            asked = resolve(settings, registry, round.repeat, offers=_as_then(round, registry))
            # What was left out then is known of the round only.
            same = asked.model_copy(update={"left_out": round.left_out, "untaught": round.untaught})
            if same.id == record.id:
                return round
        except Refusal:  # of other software, or other settings
            continue
    return None


def _as_then(round: Round, registry: Registry) -> list[Offer]:
    """Offers to which these settings would bind the same holdings as when the round was asked for."""
    held = [
        *((round.task, round.target, share, True) for share in round.training),
        *((round.task, round.target, share, False) for share in round.evaluation),
        *((one.task, one.name, share, True) for one in round.auxiliaries for share in one.shares),
    ]
    return [
        Offer(
            node=f"{number:064x}",
            name="then",
            holdings=(_holding(task, name, share, registry),),
            trains=trains,
            issued=0.0,
        )
        for number, (task, name, share, trains) in enumerate(held)
    ]


def _holding(task: str, name: str, share: HoldingShare, registry: Registry) -> Holding:
    """A holding with an image of each class on every side of every domain of a share."""
    each = (1,) * len(registry.definitions.task(name).classes)
    sides: dict[Split, tuple[int, ...]] = {"train": each, "validation": each, "test": each}
    counts = {domain: dict(sides) for domain in share.domains}
    return Holding(task=task, task_name=name, counts=counts, fingerprint=share.fingerprint)


def gaps(record: RoundRecord, registry: Registry) -> int:
    """How many questions of a finished round are open: its answers were taken back, or a node may give one now.

    A round that ended at its deadline never asked all of its questions. Of such a round only averages that are missing
    count. A run that a maintainer has admitted since opens questions too. (`Round.gaps` is something else: what the
    data lacks.)
    """
    if record.reason and not record.reason.startswith(WITHOUT):
        return len(RoundDriver.of(record, registry).gather().combinations)
    found = RoundDriver.of(record.model_copy(update={"state": "requested"}), registry).gather()
    return len(found.orders) + len(found.combinations) + len(found.inspections)
