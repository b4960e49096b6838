"""Architectures and tasks: what the registry knows by digest before any weights come."""

from __future__ import annotations

import time
from difflib import get_close_matches

from sqlalchemy import Connection, String, bindparam, insert, or_, select

from ratatouille.errors import Refusal
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.canonical import LARGEST_HEADER, header
from registry.lists import MOST_ROWS, clipped, fitting, readable
from registry.schema import ArchitectureRow, TaskRow
from registry.texts import LARGEST_ARCHITECTURE, LARGEST_TASK, storable

LONGEST_ARCHITECTURE = 200
"""Characters of its name, as the column has them."""


_WANTED = bindparam("wanted", type_=String)
_ARCHITECTURE = select(ArchitectureRow.record).where(ArchitectureRow.digest == _WANTED)
# the digest first: another task may have been given it as its name
_TASK = (
    select(TaskRow.record)
    .where(or_(TaskRow.digest == _WANTED, TaskRow.name == _WANTED))
    .order_by((TaskRow.digest == _WANTED).desc())
    .limit(1)
)


def define_architecture(connection: Connection, architecture: Architecture) -> str:
    """Enter an architecture; entering it again changes nothing.

    Raises:
        Refusal: for tensors that no file could hold.
    """
    names = [tensor.name for tensor in architecture.featurizer]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise Refusal(f"architecture {architecture.name} has two tensors named {twice[0]}")
    if not names:
        raise Refusal(f"architecture {architecture.name} has no tensors")
    if len(header(architecture.featurizer)) > LARGEST_HEADER:
        raise Refusal(f"architecture {architecture.name} has too many tensors for one file ({len(names)})")
    storable(architecture.name, "an architecture's name", LONGEST_ARCHITECTURE)
    digest = architecture.digest
    if connection.execute(select(ArchitectureRow.digest).where(ArchitectureRow.digest == digest)).first() is None:
        record = storable(
            architecture.to_json().decode(), f"architecture {architecture.name[:80]}", LARGEST_ARCHITECTURE
        )
        connection.execute(
            insert(ArchitectureRow).values(digest=digest, name=architecture.name, record=record, created=time.time())
        )
    return digest


def architecture(connection: Connection, digest: str) -> Architecture:
    """The architecture with this digest.

    Raises:
        Refusal: when there is none.
    """
    record = connection.execute(_ARCHITECTURE, {"wanted": digest}).scalar()
    if record is None:
        raise Refusal(f"architecture {digest[:12]}… is not known here; define it first")
    return Architecture.from_json(record)


def define_task(connection: Connection, task: Task) -> str:
    """Enter a task under its name; entering it again changes nothing.

    Raises:
        Refusal: when the name means another task.
    """
    digest = task.digest
    known = connection.execute(select(TaskRow.digest).where(TaskRow.name == task.name)).scalar()
    if known is None:
        record = storable(task.to_json().decode(), f"the definition of task {task.name}", LARGEST_TASK)
        connection.execute(insert(TaskRow).values(digest=digest, name=task.name, record=record, created=time.time()))
    elif known != digest:
        raise Refusal(
            f"task {task.name} is defined otherwise here, and a definition stands for ever; choose another name"
        )
    return digest


def task(connection: Connection, name_or_digest: str) -> Task:
    """A task by name or digest.

    Raises:
        Refusal: when there is none, with the nearest name.
    """
    record = connection.execute(_TASK, {"wanted": name_or_digest}).scalar()
    if record is None:
        known = connection.execute(select(TaskRow.name).order_by(TaskRow.name).limit(MOST_ROWS)).scalars().all()
        near = get_close_matches(name_or_digest[:80], known, 1)
        advice = f"did you mean '{near[0]}'?" if near else "`ratatouille task list` shows those that are"
        raise Refusal(f"task {name_or_digest[:80]} is not known here; {advice}")
    return Task.from_json(record)


def tasks(connection: Connection, after: str, limit: int) -> list[Task]:
    """Tasks by name, those after a name; as many as fit a page."""
    query = select(TaskRow.record).where(TaskRow.name > after).order_by(TaskRow.name).limit(clipped(limit))
    return list(readable("tasks", fitting(connection.execute(query).scalars(), len), Task.from_json))
