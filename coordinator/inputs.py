"""Inputs of a round: the holdings that it uses, and the versions of the registry that it starts from.

Holdings are chosen by a pure function of a task, its domains and the current offers. Holdings that have all domains are
used if there are any, else all that have one. Domains that are too small to be trained on are left out before any work
is done, and the round says so (`ratatouille.recipes.round`).

`starts` of a round.toml names versions that the registry has already. Such a version comes from the same weights as the
round's foundation, since only then can runs be averaged. On its way from there it was trained neither on the target
nor, unless the round is lenient, on a domain that the round holds out. No node has to offer the data that it was
trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import FineTune
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.version import Version
from ratatouille.recipes.round import Given, HoldingShare, LeftOut, Start, Untaught, untaught
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.task import Task
from registry.records import Entry
from registry.services.registry import Registry

_DEPTH = 10_000
"""Generations that one answer may have; the registry bounds its rows too."""


@dataclass(frozen=True)
class Training:
    """Holdings to train on, and what their data lacks."""

    shares: tuple[HoldingShare, ...]
    """Empty where every domain is too small, or no node offers one."""
    left_out: tuple[LeftOut, ...]
    untaught: Untaught | None


def training_shares(task: Task, domains: Sequence[str], offers: Sequence[Offer], last_trial: int = 0) -> Training:
    """Holdings to train on. Replicas have one fingerprint and are one holding; of several each run trains on one.

    Args:
        task: what is trained on.
        domains: those that are wanted, in the task's order.
        offers: the offers that stand.
        last_trial: the last reshuffle of the split that runs train on.
    """
    holdings = _holdings(task, [offer for offer in offers if offer.trains])
    held = _held(holdings, domains)
    lacks = {
        (fingerprint, domain): lack
        for fingerprint, names in held.items()
        for domain in names
        if (lack := holdings[fingerprint].lack(domain, last_trial)) is not None
    }
    fit = {
        fingerprint: tuple(domain for domain in names if (fingerprint, domain) not in lacks)
        for fingerprint, names in held.items()
    }
    shares = _shares({fingerprint: names for fingerprint, names in fit.items() if names}, domains)
    left_out = tuple(
        LeftOut(task=task.name, domain=domain, fingerprint=share.fingerprint, lack=lacks[share.fingerprint, domain])
        for share in _shares(held, domains)  # those that would be used, were they large enough
        for domain in share.domains
        if (share.fingerprint, domain) in lacks
    )
    used = [(holdings[share.fingerprint], share.domains) for share in shares]
    return Training(shares, left_out, untaught(task, used, last_trial) if used else None)


def target_shares(task: Task, domains: Sequence[str], offers: Sequence[Offer], last_trial: int = 0) -> Training:
    """The same for a target, which needs a node that offers each domain, and one that is large enough.

    Raises:
        Refusal: when no node offers a domain, or none can train on any.
    """
    held = _held(_holdings(task, [offer for offer in offers if offer.trains]), domains)
    _refuse_missing(task, domains, held, "trains on")
    found = training_shares(task, domains, offers, last_trial)
    if not found.shares:
        raise Refusal(
            f"nobody who is here can train on task '{task.name}': {found.left_out[0].sentence}; add groups of images"
        )
    return found


def evaluation_shares(task: Task, domains: Sequence[str], offers: Sequence[Offer]) -> tuple[HoldingShare, ...]:
    """Holdings to count on; counts of different holdings are summed within a domain.

    Raises:
        Refusal: when no node offers a domain.
    """
    held = _held(_holdings(task, offers), domains)
    _refuse_missing(task, domains, held, "holds")
    return _shares(held, domains)


def _holdings(task: Task, offers: Sequence[Offer]) -> dict[str, Holding]:
    return {
        holding.fingerprint: holding for offer in offers for holding in offer.holdings if holding.task == task.digest
    }


def _held(holdings: Mapping[str, Holding], domains: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Fingerprints, and those of `domains` of which each holding has an image."""
    found = {
        fingerprint: tuple(domain for domain in domains if holding.total(domain))
        for fingerprint, holding in holdings.items()
    }
    return {fingerprint: names for fingerprint, names in found.items() if names}


def _shares(held: Mapping[str, tuple[str, ...]], domains: Sequence[str]) -> tuple[HoldingShare, ...]:
    """The holdings that have every domain that any holding has; if there is none, all holdings."""
    covered = [domain for domain in domains if any(domain in names for names in held.values())]
    complete = {fingerprint: names for fingerprint, names in held.items() if len(names) == len(covered)}
    return tuple(
        HoldingShare(fingerprint=fingerprint, domains=names)
        for fingerprint, names in sorted((complete or held).items())
    )


def _refuse_missing(task: Task, domains: Sequence[str], held: Mapping[str, Sequence[str]], does: str) -> None:
    missing = [domain for domain in domains if not any(domain in names for names in held.values())]
    if missing:
        raise Refusal(
            f"no node that is here {does} {', '.join(missing)} of task '{task.name}'; "
            "`ratatouille node status` lists who is here"
        )


def given_starts(
    revisions: Sequence[str], registry: Registry, foundation: Version, target: Task, banned: Sequence[str]
) -> tuple[Given, ...]:
    """The versions that `starts` names, each once, in ascending order of names.

    Args:
        revisions: what the file says.
        registry: where they are looked up.
        foundation: where the round's other runs start.
        target: the round's target.
        banned: domains that no start may have been trained on.

    Raises:
        Refusal: a revision that is unknown, or a version that is not fit to be a start.
    """
    if not revisions:
        return ()
    check = _StartCheck(registry, foundation, ancestors(registry, foundation.id), target, frozenset(banned))
    found: dict[str, Given] = {}
    for revision in revisions:
        entry = registry.versions.show(revision).entry
        check.refuse_unfit(revision, entry)
        name = revision if _is_called(revision, entry) else f"{entry.task_name or 'version'}-{entry.id[:8]}"
        start = Start(version=entry.id, featurizer=entry.version.featurizer)
        found.setdefault(entry.id, Given(name=name, start=start))
    return tuple(sorted(found.values(), key=lambda one: one.name))


def ancestors(registry: Registry, revision: str) -> dict[str, Entry]:
    """A version and everything that it was made from, by id; a long history comes in several answers."""
    found: dict[str, Entry] = {}
    missing = {revision}
    while missing:
        found |= {row.entry.id: row.entry for row in registry.versions.lineage(missing.pop(), _DEPTH)}
        if not missing:
            missing = {one.version for entry in found.values() for one in entry.version.parents} - found.keys()
    return found


def _is_called(revision: str, entry: Entry) -> bool:
    """Whether a revision is an alias or a tag: no part of the version's id, and no way to it such as `latest~1`."""
    return not entry.id.startswith(revision) and not set(revision) & set("~@")


@dataclass(frozen=True)
class _StartCheck:
    """The conditions that a round sets for the versions in `starts`."""

    registry: Registry
    foundation: Version
    origin: Mapping[str, Entry]
    """The foundation and everything that it was made from."""
    target: Task
    banned: frozenset[str]

    def refuse_unfit(self, revision: str, entry: Entry) -> None:
        """Refuse a version that cannot be a start, with the reason."""
        version = entry.version
        if entry.state != "admitted":
            raise Refusal(f"start '{revision}' is {entry.state}; leave it out of `starts`")
        if version.architecture != self.foundation.architecture:
            raise Refusal(f"start '{revision}' has another architecture than the foundation; no average of both exists")
        if version.featurizer == self.foundation.featurizer:
            raise Refusal(f"start '{revision}' has the foundation's own featurizer; leave it out of `starts`")
        way = ancestors(self.registry, entry.id)
        featurizers = {one.version.featurizer for one in self.origin.values()}
        if not any(one.version.featurizer in featurizers for one in way.values()):
            raise Refusal(
                f"start '{revision}' does not come from the foundation's weights, so runs from both have no average; "
                "leave it out of `starts`"
            )
        for id_ in sorted(way.keys() - self.origin.keys()):
            self._refuse_trained_on(revision, id_)

    def _refuse_trained_on(self, revision: str, id_: str) -> None:
        """Refuse an ancestor that was trained on the target or a banned domain; an import does not say what it saw."""
        receipt = self.registry.versions.show(id_).receipt
        if receipt is None or not isinstance(receipt.assignment, FineTune):
            return
        if receipt.assignment.task == self.target.digest:
            raise Refusal(
                f"start '{revision}' was trained on the target '{self.target.name}' (version {id_[:12]}); starts are "
                "trained on auxiliary tasks, so leave it out of `starts`"
            )
        seen = sorted(self.banned.intersection(receipt.assignment.domains))
        if seen:
            raise Refusal(
                f"start '{revision}' was trained on {', '.join(seen)}, which this round holds out (version "
                f'{id_[:12]}); leave it out of `starts`, or say `auxiliary_domains = "lenient"`'
            )
