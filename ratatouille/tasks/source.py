"""Examples of a task, made from rows in their owner's words: labels and domains are mapped to those of the task.

folder.py and manifest.py find rows; here their labels and domains are mapped, their groups named, and what cannot be
used is refused by name. What is left out on purpose is counted in notes. No image is opened: that is inspection.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ratatouille.errors import Refusal
from ratatouille.tasks.sentences import listed, several_labels
from ratatouille.tasks.settings import LEAVE_OUT, DataSettings
from ratatouille.tasks.task import Split, Task
from ratatouille.wording import nearest, number_of


def normal(name: str) -> str:
    """A name in Unicode's form NFC: two files or editors may write one letter in two ways."""
    return unicodedata.normalize("NFC", name)


SEPARATORS = re.compile(r"[;|,]")


@dataclass(frozen=True, slots=True)
class Row:
    """One image as its owner describes it; None where the source says nothing. `file` is relative, with slashes."""

    file: str
    label: str
    domain: str | None = None
    group: str | None = None
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One image of a task; `label` is the index of its class, `split` is None unless a manifest states it."""

    path: Path
    label: int
    domain: str
    group: str
    split: Split | None
    group_stated: bool = False
    """Whether a manifest names the group."""


def examples_of(
    rows: Sequence[Row], folder: Path, task: Task, settings: DataSettings
) -> tuple[list[Example], list[str]]:
    """Map rows to examples.

    Args:
        rows: what a folder or a manifest lists.
        folder: what the rows' files are relative to.
        task: whose classes and domains count.
        settings: the owner's mapping.

    Returns:
        The examples, and a note for each label or domain that was left out on purpose.

    Raises:
        Refusal: for labels or domains that the task does not know, multi-label data, a torn group.
    """
    domains = _domain_names(rows, folder, task, settings)
    labels = _label_indices({row.label for row in rows if domains[row.domain] is not None}, task, settings)
    examples, left_out = [], Counter[str]()
    for row in rows:
        domain = domains[row.domain]
        if domain is None:
            left_out[f"of domain '{row.domain}'"] += 1
        elif (label := labels[row.label]) is None:
            left_out[f"labelled '{row.label}'"] += 1
        else:
            group = row.group or _group(row.file, settings.group)
            examples.append(Example(folder / row.file, label, domain, group, row.split, row.group is not None))
    refuse_torn_groups(examples)
    return examples, [
        f"left out as the settings say: {number_of(count, 'image')} {what}" for what, count in sorted(left_out.items())
    ]


def _label_indices(labels: Iterable[str], task: Task, settings: DataSettings) -> dict[str, int | None]:
    classes = {normal(name): index for index, name in enumerate(task.classes)}
    mapped = {normal(label): name for label, name in settings.labels.items()}
    indices: dict[str, int | None] = {}
    unknown: list[str] = []
    for label in sorted(labels):
        name = mapped.get(normal(label), label)
        if normal(name) in classes:
            indices[label] = classes[normal(name)]
        elif normal(label) in mapped and name in LEAVE_OUT:
            indices[label] = None
        elif normal(label) in mapped:
            raise Refusal(
                f"labels maps '{label}' to '{name}', which is no class of task '{task.name}'; "
                f"its classes are {listed(task.classes)}",
                code="label-mapping",
            )
        else:
            unknown.append(label)
    for label in unknown:
        parts = [part.strip() for part in SEPARATORS.split(label)]
        if len(parts) > 1 and any(normal(mapped.get(normal(part), part)) in classes for part in parts):
            raise several_labels(f"the label '{label}' in '{settings.path}'")
    if unknown:
        raise Refusal(
            f"'{settings.path}' has labels that are no class of task '{task.name}': {listed(unknown)}; "
            f'map each in node.toml (labels = {{"{unknown[0]}" = "{_like(unknown[0], task.classes)}"}}, or "-" to '
            f"leave it out); "
            f"the classes are {listed(task.classes)}",
            code="label-unknown",
            classes=len(unknown),
        )
    return indices


def _domain_names(
    rows: Sequence[Row], folder: Path, task: Task, settings: DataSettings
) -> dict[str | None, str | None]:
    local = sorted({row.domain for row in rows if row.domain is not None})
    if local and settings.domain is not None:
        raise Refusal(
            f"domain says '{settings.domain}', but '{settings.path}' names domains itself ({listed(local)}); "
            f'remove it, or rename them: domains = {{"{local[0]}" = "{settings.domain}"}}',
            code="domain-mapping",
        )
    missing = sorted(set(settings.domains) - set(local)) if local else []
    if missing:
        raise Refusal(
            f"domains names '{missing[0]}', which '{settings.path}' does not have; its domains are {listed(local)}",
            code="domain-mapping",
        )
    names: dict[str | None, str | None] = {}
    for domain in local:
        name = settings.domains.get(domain, "-" if settings.domains else domain)
        names[domain] = None if name in LEAVE_OUT else _known(name, task, settings)
    if any(row.domain is None for row in rows):
        names[None] = _known(_only_domain(folder, task, settings), task, settings)
    return names


def _only_domain(folder: Path, task: Task, settings: DataSettings) -> str:
    """The domain of images for which none is named."""
    if settings.domain is not None:
        return settings.domain
    name = folder.resolve().name
    if name not in settings.domains and name not in task.domains and len(task.domains) == 1:
        return task.domains[0]
    return settings.domains.get(name, name)


def _known(domain: str, task: Task, settings: DataSettings) -> str:
    if domain not in task.domains:
        like = _like(domain, task.domains)
        advice = (
            f'say which it is in node.toml (domain = "{like}" for all of it, or domains = {{"{domain}" = "{like}"}})'
        )
        raise Refusal(
            f"'{domain}' in '{settings.path}' is no domain of task '{task.name}', "
            f"whose domains are {listed(task.domains)}; {advice}",
            code="domain-unknown",
        )
    return domain


def _like(name: str, names: Sequence[str]) -> str:
    """The name for an example of a mapping: the one that is most like a local name."""
    return nearest(name, names) or names[0]


def _group(file: str, rule: str) -> str:
    match rule:
        case "file":
            return file
        case "stem":
            return PurePosixPath(file).stem
    found = re.search(rule, file)
    if found is None or not found.group(1):
        raise Refusal(
            f"the group expression '{rule}' finds no group in '{file}'; change it or the file's name",
            code="group-unknown",
        )
    return str(found.group(1))


def refuse_torn_groups(examples: Sequence[Example]) -> None:
    """Refuse a group with two stated splits.

    Raises:
        Refusal: naming the group.
    """
    stated: dict[str, Split | None] = {}
    for example in examples:
        first = stated.setdefault(example.group, example.split)
        if first != example.split:
            sides = " and ".join(f"'{side}'" if side else "no split" for side in (first, example.split))
            raise Refusal(
                f"the group '{example.group}' has {sides}; a group must lie on one side, "
                f"so state the same split in all its rows",
                code="group-torn",
            )
