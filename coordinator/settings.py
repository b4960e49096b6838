"""Settings of a round: a round.toml becomes a round, names become digests, wishes become holdings that are offered now.

`RoundSettings` is the file; `resolve` binds it to the registry's definitions and to the data fingerprints of current
offers. The result is a value; where it runs is decided later, order by order.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from coordinator.inputs import Training, evaluation_shares, given_starts, target_shares, training_shares
from coordinator.matching import speaks_our_dialect
from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import METHOD_REVISION
from ratatouille.exchange.membership import Offer
from ratatouille.recipes.columns import STARTS
from ratatouille.recipes.protocol import PROTOCOLS, Protocol, resolve_protocol
from ratatouille.recipes.recipe import FIRST, recipe_named
from ratatouille.recipes.round import Auxiliary, Given, Round, Start
from ratatouille.recipes.studies import study_named
from ratatouille.record import Name, Record
from ratatouille.settings import read_settings
from ratatouille.tasks.task import Task
from ratatouille.weights.methods import cut_of
from registry.services.registry import Registry


class RoundSettings(Record):
    """The settings of a round, as a maintainer writes them in a round.toml."""

    name: Name
    target: Name
    held_out: tuple[Name, ...] = ()
    """Domains of the target that no run trains on."""
    evaluate_held_out: bool = True
    """False: nothing is counted on the held-out domains, as while settings are still being chosen."""
    auxiliaries: tuple[Name, ...] | Literal["all"] = "all"
    """Auxiliary tasks, or all that nodes offer."""
    auxiliary_domains: Literal["strict", "lenient"] = "strict"
    """strict: auxiliary runs see no domain that the target holds out; lenient: they see every domain that is held."""
    starts: tuple[str, ...] = ()
    """Revisions of auxiliary versions that are there already, beside the tasks that the round trains."""
    recipes: Annotated[tuple[Name, ...], Field(min_length=1)] = FIRST
    foundation: str = "latest"
    """Revision whose featurizer all runs start from."""
    protocol: dict[str, Any] = Field(default_factory=lambda: {"name": "domainbed"})
    trial: NonNegativeInt = 0
    pool_trials: Annotated[int, Field(ge=1, le=100)] = 1
    """Trials, from `trial` on, whose runs recipes that average uniformly put into one average (the paper's dagger)."""
    analyses: tuple[Name, ...] = ()
    """Analyses to count for, besides the recipes' own counts; `ratatouille analyse` asks for them."""
    slices: tuple[Literal["seen", "new"], ...] = ()
    admission: Literal["gate", "off"] = "gate"
    """Whether a gate admits runs before anything is averaged; off: for research on one machine."""
    counting: Literal["independent", "own", "protocol"] = "protocol"
    """Whose counts choose between runs: nodes' that did not make them, the runs' own, or as the protocol says: own for
    the data sets of DomainBed, whose published tables choose so.
    """
    min_runs: PositiveInt | None = None
    deadline_minutes: PositiveFloat | None = None


def read_round_settings(path: Path) -> RoundSettings:
    """Read a round.toml.

    Raises:
        Refusal: naming the file and its first mistake.
    """
    return read_settings(path, RoundSettings, "round")


def resolve(
    settings: RoundSettings, registry: Registry, repeat: int = 0, offers: Sequence[Offer] | None = None
) -> Round:
    """Bind settings to what the registry and the nodes have now, or to what these offers had.

    Raises:
        Refusal: unknown recipe, protocol, task, domain or revision, or data that no node offers.
    """
    for name in settings.recipes:
        recipe_named(name)
    for name in settings.analyses:
        study_named(name)
    changes = dict(settings.protocol)
    protocol = resolve_protocol(str(changes.pop("name", "domainbed")), changes)
    _refuse_late_average(settings, protocol)
    _refuse_trimming_all(settings, protocol)
    target = registry.definitions.task(settings.target)
    _refuse_unknown_domains(target, settings.held_out)
    here = registry.work.offers() if offers is None else offers
    offers = sorted(filter(speaks_our_dialect, here), key=lambda offer: offer.node)
    # In the task's order, each once: the order goes into seeds and questions, and means nothing in a file.
    held_out = tuple(domain for domain in target.domains if domain in settings.held_out)
    training = tuple(domain for domain in target.domains if domain not in held_out)
    start = registry.versions.show(settings.foundation).entry
    if start.state != "admitted":
        raise Refusal(
            f"{settings.foundation} is version {start.id[:12]}…, which is {start.state}; nothing starts from it, so "
            "release another version or name one as `foundation`"
        )
    foundation = start.version
    if "image_size" not in settings.protocol:
        # Images that are larger than the foundation is meant for take time and help nothing.
        size = registry.definitions.architecture(foundation.architecture).input_size
        protocol = protocol.model_copy(update={"image_size": min(protocol.image_size, size)})
    auxiliaries, beside = _auxiliaries(settings, registry, offers)
    revisions = settings.starts if _uses_a_pool(settings) else ()
    starts = given_starts(revisions, registry, foundation, target, banned_domains(settings))
    _refuse_one_name_twice(auxiliaries, starts)
    bound = target_shares(target, training, offers, settings.trial + settings.pool_trials - 1)
    return Round(
        name=settings.name,
        target=target.name,
        task=target.digest,
        metric=target.metric,
        architecture=foundation.architecture,
        foundation=Start(version=foundation.id, featurizer=foundation.featurizer),
        held_out=held_out,
        training=bound.shares,
        evaluation=evaluation_shares(target, held_out, offers) if settings.evaluate_held_out else (),
        auxiliaries=auxiliaries,
        starts=starts,
        recipes=tuple(dict.fromkeys(settings.recipes)),
        protocol=protocol,
        trial=settings.trial,
        pool_trials=settings.pool_trials,
        repeat=repeat,
        revision=METHOD_REVISION,
        analyses=tuple(dict.fromkeys(settings.analyses)),
        slices=tuple(sorted(set(settings.slices), reverse=True)),  # seen, new
        left_out=tuple(gap for one in (bound, *beside) for gap in one.left_out),
        untaught=tuple(one.untaught for one in (bound, *beside) if one.untaught is not None),
        admission=settings.admission,
        counting=_counting(settings, protocol),
        min_runs=settings.min_runs,
        deadline=None if settings.deadline_minutes is None else 60 * settings.deadline_minutes,
    )


def _counting(settings: RoundSettings, protocol: Protocol) -> Literal["independent", "own"]:
    if settings.counting == "protocol":
        return "own" if protocol.name.startswith("domainbed") else "independent"
    return settings.counting


def image_size_sentence(settings: RoundSettings, round: Round) -> str:
    """How large the images of a round are, and why."""
    size, of_row = round.protocol.image_size, PROTOCOLS[round.protocol.name].image_size
    if "image_size" in settings.protocol:
        why = "as the round's file says"
    elif size == of_row:
        why = "as the protocol says"
    else:
        why = f"as the foundation was entered for, not {of_row} as the protocol says"
    return f"images of {size} × {size} pixels, {why} (`image_size` in [protocol])"


def _auxiliaries(
    settings: RoundSettings, registry: Registry, offers: Sequence[Offer]
) -> tuple[tuple[Auxiliary, ...], list[Training]]:
    """The auxiliary tasks, and what is lacking in the data of each; of "all" those that are too small are left out."""
    if not _uses_a_pool(settings):
        return (), []
    offered = {holding.task_name for offer in offers if offer.trains for holding in offer.holdings}
    names = settings.auxiliaries
    if names == "all":
        names = tuple(
            name for name in offered if name != settings.target and registry.definitions.task(name).kind == "auxiliary"
        )
    chosen: list[Auxiliary] = []
    bound: list[Training] = []
    for name in sorted(set(names)):
        task = registry.definitions.task(name)
        if name == settings.target:
            raise Refusal(
                f"'{name}' is the target; it cannot be an auxiliary task of itself, so leave it out of `auxiliaries`"
            )
        banned = banned_domains(settings)
        domains = tuple(domain for domain in task.domains if domain not in banned)
        found = training_shares(task, domains, offers)  # auxiliary work is done once, in trial 0
        bound.append(found)
        if found.shares:
            chosen.append(Auxiliary(name=name, task=task.digest, shares=found.shares))
        elif not found.left_out or settings.auxiliaries != "all":
            why = f", since {found.left_out[0].sentence}" if found.left_out else ""
            raise Refusal(
                f"no node that is here trains on the auxiliary task '{name}'"
                f"{' outside the held-out domains' if banned else ''}{why}; join one, or leave it out of `auxiliaries`"
            )
    return tuple(chosen), bound


def banned_domains(settings: RoundSettings) -> tuple[str, ...]:
    """Domains that no auxiliary run may see."""
    return settings.held_out if settings.auxiliary_domains == "strict" else ()


def _uses_a_pool(settings: RoundSettings) -> bool:
    return any(STARTS[recipe_named(name).starts].auxiliaries for name in settings.recipes)


def _refuse_one_name_twice(auxiliaries: Sequence[Auxiliary], starts: Sequence[Given]) -> None:
    twice = {one.name for one in auxiliaries} & {one.name for one in starts}
    if twice:
        name = min(twice)
        raise Refusal(f"'{name}' is an auxiliary task and a name in `starts`; give that start by its id")


def _refuse_late_average(settings: RoundSettings, protocol: Protocol) -> None:
    averages = any(recipe_named(name).keeps == "mean" for name in settings.recipes)
    if averages and protocol.average_from > protocol.steps:
        raise Refusal(
            f"moving_average would average no step: it begins at step {protocol.average_from}, and a run has "
            f"{protocol.steps}; lower `average_from` in [protocol]"
        )


def _refuse_trimming_all(settings: RoundSettings, protocol: Protocol) -> None:
    if any(recipe_named(name).combines == "trimmed" for name in settings.recipes):
        cut_of(protocol.runs * settings.pool_trials, protocol.trimmed_share)


def _refuse_unknown_domains(task: Task, names: Sequence[str]) -> None:
    for name in names:
        if name not in task.domains:
            raise Refusal(f"task '{task.name}' has no domain '{name}' to hold out; it has {', '.join(task.domains)}")
    if set(names) == set(task.domains):
        raise Refusal(f"every domain of task '{task.name}' is held out; leave at least one to train on")
