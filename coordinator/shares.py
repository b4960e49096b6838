"""Choice of the holdings that a round uses: a pure function of a task, its domains and the current offers.

Holdings that have all domains are used if there are any, else all that have one. Domains that are too small to be
trained on are left out before any work is done, and the round says so (`ratatouille.recipes.round`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratatouille.errors import Refusal
from ratatouille.exchange.membership import Offer
from ratatouille.recipes.round import LeftOut, Share, Untaught, untaught
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.task import Task


@dataclass(frozen=True)
class Training:
    """Holdings to train on, and what their data lacks."""

    shares: tuple[Share, ...]
    """Empty where every domain is too small, or nobody offers one."""
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
    """The same for a target, which needs somebody to offer each domain, and one that is large enough.

    Raises:
        Refusal: when a domain is offered by nobody, or nobody can train on any.
    """
    held = _held(_holdings(task, [offer for offer in offers if offer.trains]), domains)
    _refuse_missing(task, domains, held, "trains on")
    found = training_shares(task, domains, offers, last_trial)
    if not found.shares:
        raise Refusal(
            f"nobody who is here can train on task '{task.name}': {found.left_out[0].sentence}; add groups of images"
        )
    return found


def evaluation_shares(task: Task, domains: Sequence[str], offers: Sequence[Offer]) -> tuple[Share, ...]:
    """Holdings to count on; counts of different holdings are summed within a domain.

    Raises:
        Refusal: when a domain is offered by nobody.
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


def _shares(held: Mapping[str, tuple[str, ...]], domains: Sequence[str]) -> tuple[Share, ...]:
    """The holdings that have every domain that any holding has; if there is none, all holdings."""
    covered = [domain for domain in domains if any(domain in names for names in held.values())]
    complete = {fingerprint: names for fingerprint, names in held.items() if len(names) == len(covered)}
    return tuple(
        Share(fingerprint=fingerprint, domains=names) for fingerprint, names in sorted((complete or held).items())
    )


def _refuse_missing(task: Task, domains: Sequence[str], held: Mapping[str, Sequence[str]], does: str) -> None:
    missing = [domain for domain in domains if not any(domain in names for names in held.values())]
    if missing:
        raise Refusal(
            f"no node that is here {does} {', '.join(missing)} of task '{task.name}'; "
            "`ratatouille node status` lists who is here"
        )
