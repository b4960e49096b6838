"""Checks of a federation from a contributor's machine: the line to its registry, then what the registry says.

They are made in their order, each over what the ones before it have found. Nothing is changed: no key is made, and an
invitation is looked at and not used up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contributor_client.clock import measured
from contributor_client.key_checks import check_key
from contributor_client.node_enrolment import fleet_address
from contributor_client.subject import Subject
from ratatouille import __version__
from ratatouille.addresses import Address
from ratatouille.checks import StepCheck, bad, good, refused, unknown
from ratatouille.errors import UPGRADE, RatatouilleError, Refusal
from ratatouille.exchange.dialect import PROTOCOL, disagreement
from ratatouille.exchange.session import CLOCK_SECONDS, Challenge, clock_problem
from ratatouille.home import home
from ratatouille.proxies import is_loopback
from ratatouille.tasks.task import Task, differences, load_task
from ratatouille.wording import enumerated, number_of
from registry.lists import every
from registry.opening import CACHE_BYTES
from registry.records import Info
from registry.round_work import work_of_rounds
from registry.services.registry import Registry
from registry.transport.authority import fetch_authority
from registry.transport.client import open_remote
from registry.transport.diagnosis import line_checks
from registry.transport.line import Broken
from registry.transport.roots import Roots

STEP_SECONDS = 2.0
"""How long one step of a connection may take: the name, the port, the proxy, the handshake."""
LINE, SAID = ("name", "port", "proxy", "tls"), ("versions", "clock", "invitation", "key", "coordinator", "task")
"""Checks of the line, and of what the registry says, in their order."""
_OWN_CLOCK_SECONDS = 5.0
"""What Flower bears without the node's correction."""
_MOST_NAMES = 5


@dataclass(frozen=True)
class Reached:
    """What was learned of a registry that answers."""

    registry: Registry
    tasks: dict[str, Task]
    """The tasks of the node's data."""
    asked: tuple[list[str], str | None]
    """What rounds ask of nodes (`registry.round_work`)."""


def check_federation(subject: Subject, put: Callable[[StepCheck], None]) -> Reached | None:
    """Check line and registry, up to the first thing that makes the rest impossible.

    Args:
        subject: what is checked.
        put: is called with each check as it is made.

    Returns:
        What was learned; None when the registry cannot be asked for the node's tasks.
    """
    roots = _check_line(subject, put)
    if roots is None:
        return None
    registry = open_remote(subject.address, home() / "cache", CACHE_BYTES, roots=roots or None)
    try:
        challenge, clock = _clock(registry)
        info = _info(registry)
    except RatatouilleError as error:
        put(refused("versions", error))
        return None
    put(_of_versions(challenge))
    put(clock)
    session = check_key(subject, registry, challenge, put) if clock.state != "bad" else None
    closed = "only members read the history there, so it is known once you have joined"
    put(unknown("coordinator", closed) if info is None else _of_coordinator(info, subject.address))
    if info is None or (session is None and info.reading != "public"):
        put(unknown("task", closed))
        return None
    return _check_tasks(subject, registry, put)


def _info(registry: Registry) -> Info | None:
    """What the registry says of itself; None where it says it to members only."""
    try:
        return registry.info()
    except Refusal:
        return None


_OWN: tuple[()] = ()
"""In place of roots: those of the address are believed."""


def _check_line(subject: Subject, put: Callable[[StepCheck], None]) -> Roots | tuple[()] | None:
    """Check the line; returns the authorities that are believed there, `_OWN` for the usual ones, None for no line."""
    address, invitation = Address.parse(subject.address), subject.invitation
    roots, foreign = None, None
    try:
        if invitation is not None and invitation.authority is not None:
            try:
                pem = fetch_authority(subject.address, invitation.authority, STEP_SECONDS)
                roots = Roots(pem, "pinned", "the invitation")
            except Broken:
                pass  # the steps below say where
            except RatatouilleError as error:
                foreign = refused("tls", error)
        checks = line_checks(subject.address, STEP_SECONDS, roots)
    except RatatouilleError as error:  # a proxy or an authority that cannot be used
        put(refused("proxy" if "proxy" in str(error) else "tls", error))
        return None
    if foreign is not None:
        checks = [foreign if one.step == "tls" else one for one in checks]
    steps = [one.step for one in checks]
    if not address.encrypted and checks[-1].good:
        checks.append(good("tls", "none: plain gRPC, which is for this machine alone"))
        if not is_loopback(address.host):
            unsafe = f"{subject.address} is another machine, and nothing on the way is encrypted"
            checks[-1] = bad("tls", unsafe, "ask the maintainer for the address of the front door, grpcs://NAME:PORT")
    if "proxy" not in steps:
        checks.insert(len(steps) - ("tls" in steps), good("proxy", f"none: {address.host} is reached straight"))
    else:
        checks = [good("name", "the proxy looks it up"), good("port", "the proxy connects to it"), *checks]
        if not checks[-1].good and checks[-1].step == "proxy":
            checks = checks[2:]
    for one in checks:
        put(one)
    return (roots or _OWN) if all(one.good for one in checks) else None


def _clock(registry: Registry) -> tuple[Challenge, StepCheck]:
    """What the registry says of itself, and how far its clock is from this machine's."""
    challenges: list[Challenge] = []

    def now() -> float:
        challenges.append(registry.members.challenge())
        return challenges[-1].now

    offset = measured(now)
    apart, side = abs(offset.seconds), "behind" if offset.seconds > 0 else "ahead of"
    if not offset.near:
        check = unknown("clock", "the registry's answer took too long to tell its time")
    elif problem := clock_problem(-offset.seconds, 0.0):
        advice = f"set this machine's clock, such as by NTP; {CLOCK_SECONDS / 60:.0f} min are borne"
        check = bad("clock", problem.partition("; ")[0], advice)
    elif apart > _OWN_CLOCK_SECONDS:
        check = good("clock", f"{apart:.0f} s {side} the registry's, which the node corrects")
    else:
        check = good("clock", f"within {max(0.1, apart):.1f} s of the registry's")
    return challenges[-1], check


def _of_versions(challenge: Challenge) -> StepCheck:
    """The software there and here."""
    there = challenge.software.removeprefix("ratatouille ")
    if challenge.protocol != PROTOCOL:
        cause, _, advice = disagreement(challenge.protocol, "the registry", "this machine").partition("; ")
        return bad("versions", cause, advice)
    said = f"{there} there, {__version__} here, both with protocol {PROTOCOL}"
    if there.split(".")[:2] == __version__.split(".")[:2]:
        return good("versions", said)
    return StepCheck(step="versions", state="warning", cause=said, advice=f"upgrade the older one: {UPGRADE}")


def _of_coordinator(info: Info, address: str) -> StepCheck:
    """Whether somebody hands out work."""
    fleet, where = fleet_address(info, address), Address.parse(address)
    if fleet is None:
        advice = "have it started: `ratatouille coordinator up`"
        return bad("coordinator", "the registry answers, and no coordinator is up", advice)
    if where.encrypted:
        if info.public is None:
            advice = "have the coordinator started with `--public NAME`"
            return bad(
                "coordinator", "the registry is behind a front door of which its coordinator does not know", advice
            )
        return good("coordinator", f"up; its orders come by the same door, {fleet}")
    last = line_checks(f"grpc://{fleet}", STEP_SECONDS)[-1]
    if not last.good:
        return bad("coordinator", f"its orders come from {fleet}, and {last.cause}", last.advice)
    return good("coordinator", f"up; its orders come from {fleet}")


def _check_tasks(subject: Subject, registry: Registry, put: Callable[[StepCheck], None]) -> Reached | None:
    """Check the tasks of the node's data against the registry's."""
    settings, find = subject.settings, registry.definitions
    try:
        if settings is None:
            names = [task.name for task in every(lambda last: find.tasks(last.name if last else ""))]
            put(_of_all_tasks(names))
            return Reached(registry, {}, work_of_rounds(registry))
        tasks = {table.task: find.task(table.task) for table in settings.data}
        put(_of_own_tasks(tasks, subject.file))
        return Reached(registry, tasks, work_of_rounds(registry))
    except RatatouilleError as error:
        put(refused("task", error))
        return None


def _of_all_tasks(names: list[str]) -> StepCheck:
    if not names:
        cause, advice = "the registry has no task yet", "a maintainer adds one: `ratatouille task add task.toml`"
        return StepCheck(step="task", state="warning", cause=cause, advice=advice)
    return good("task", f"the registry has {number_of(len(names), 'task')}: {enumerated(names, _MOST_NAMES)}")


def _of_own_tasks(tasks: dict[str, Task], file: Path | None) -> StepCheck:
    """The node's tasks, and the definition beside its file, where there is one."""
    beside = None if file is None else file.parent / "task.toml"
    if beside is not None and beside.exists():
        local = load_task(beside)
        known = tasks.get(local.name)
        if known is not None and known != local:
            cause = f"'{beside}' defines {local.name} otherwise than the registry ({differences(local, known)})"
            return bad("task", cause, "use the registry's definition: remove that file, and mend your labels after it")
    said = [f"{task.name} ({number_of(len(task.classes), 'class', 'classes')})" for task in tasks.values()]
    return good("task", f"defined in the registry: {enumerated(said, _MOST_NAMES)}")
