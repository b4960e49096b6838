"""A new node.toml: asks the person for what a node must know, reads the images, and writes the file.

It asks for the folder of images, for their task, for their domain where neither the folder nor the task determines it,
and for the class of each label and the domain of each folder that the task calls otherwise. Every question has a flag,
so that a script need not answer any.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import tomli_w

from ratatouille.errors import Refusal
from ratatouille.folders import expanded, write_whole
from ratatouille.tasks.data import LocalData, open_data, rows_of
from ratatouille.tasks.settings import DataSettings, node_template
from ratatouille.tasks.source import normal
from ratatouille.tasks.task import Task
from ratatouille.wording import did_you_mean, enumerated, number_of

_MOST_SHOWN = 5
_MOST_ASKED = 20
"""Names of one's own that are asked for one by one; who has more writes them into a file."""
_YES_NO = ("yes", "no")
_LEAVE_OUT = "leave these images out"


class Ask(Protocol):
    """Asks the person at the terminal a question."""

    def __call__(self, question: str, choices: Sequence[str] = ()) -> str:
        """The answer; one of `choices`, where there are some."""


@dataclass(frozen=True)
class Answers:
    """What a node must know; None for what is not known yet."""

    name: str
    remote: str
    images: Path | None = None
    task: str | None = None
    domain: str | None = None
    missing_classes: bool = False
    """Whether some classes may be without images."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Class of the task for each local label that is called otherwise; "-" leaves its images out."""
    domains: Mapping[str, str] = field(default_factory=dict)
    """Domain of the task for each local domain, if any is called otherwise; "-" leaves its images out."""

    @property
    def missing(self) -> list[str]:
        """The flags of what is missing and only the owner knows."""
        flags = {"--images": self.images, "--task": self.task}
        return [flag for flag, value in flags.items() if value is None]


def write_node_file(path: Path, answers: Answers, tasks: Sequence[Task], cache: Path, ask: Ask | None) -> LocalData:
    """Ask for what is missing, read the images as the node will, and write the file.

    Args:
        path: where the file is to be; it does not exist.
        answers: what is known.
        tasks: those of the registry.
        cache: a folder for what reading images remembers.
        ask: asks the person; None where there is no terminal.

    Returns:
        The data that the node will offer.

    Raises:
        Refusal: naming the missing flags, where nobody can be asked; or why the images cannot be used.
    """
    if not tasks:
        raise Refusal("the registry has no task yet; a maintainer adds one with `ratatouille task add task.toml`")
    if ask is None and answers.missing:
        raise Refusal(f"without a terminal nobody can be asked: say {' and '.join(answers.missing)}")
    while True:
        try:
            answers = _completed(answers, tasks, ask)
            data = _read(answers, tasks, cache)
            break
        except Refusal as refusal:
            if ask is None:
                raise _with_flags(refusal) from refusal
            if (named := _named_otherwise(refusal, answers, tasks, ask)) is not None:
                answers = named
                continue
            if refusal.code == "class-missing" and ask(f"{refusal}\nIs that how your data is", _YES_NO) == "yes":
                answers = replace(answers, missing_classes=True)
                continue
            ask(f"{refusal}\nPress Enter to answer again, or Ctrl-C to stop")
            answers = replace(answers, images=None, task=None, domain=None, labels={}, domains={})
    write_whole(path, [filled_in(answers).encode()])
    return data


def filled_in(answers: Answers) -> str:
    """The text of the node.toml, with its comments."""
    assert answers.images is not None
    assert answers.task is not None
    text = node_template().decode()
    values = {"name": answers.name, "remote": answers.remote, "task": answers.task, "path": str(answers.images)}
    if answers.domain is not None:
        values["domain"] = answers.domain
    if answers.missing_classes:
        values["missing_classes"] = "allow"
    lines = {key: tomli_w.dumps({key: value}).strip() for key, value in values.items()}
    lines |= {
        key: f"{key} = {{ {', '.join(f'{_quoted(one)} = {_quoted(other)}' for one, other in names.items())} }}"
        for key, names in {"labels": answers.labels, "domains": answers.domains}.items()
        if names
    }
    for key, line in lines.items():
        pattern = re.compile(rf"^(# )?{key} = .*$", re.MULTILINE)
        assert pattern.search(text), key
        text = pattern.sub(line.replace("\\", r"\\"), text, count=1)
    return text


def _quoted(text: str) -> str:
    return tomli_w.dumps({"key": text}).strip().removeprefix("key = ")


def _completed(answers: Answers, tasks: Sequence[Task], ask: Ask | None) -> Answers:
    if ask is None:
        return answers
    if answers.images is None:
        answers = replace(answers, images=_folder(ask))
    if answers.task is None:
        names = [task.name for task in tasks]
        answers = replace(answers, task=names[0] if len(names) == 1 else ask("Which task do they belong to", names))
    if answers.domain is None:
        answers = replace(answers, domain=_domain(answers, tasks, ask))
    return answers


def _named_otherwise(refusal: Refusal, answers: Answers, tasks: Sequence[Task], ask: Ask) -> Answers | None:
    """The answers with the task's name for each label or domain that it does not know; None for other mistakes."""
    if refusal.code not in ("label-unknown", "domain-unknown"):
        return None
    task = _task(answers, tasks)
    rows, _ = rows_of(_settings(answers))
    if refusal.code == "label-unknown":
        what, choices, mine = "class", task.classes, Counter(row.label for row in rows)
    else:
        what, choices, mine = "domain", task.domains, Counter(row.domain for row in rows if row.domain is not None)
    known = {normal(name): name for name in choices}
    unknown = [name for name in sorted(mine) if normal(name) not in known]
    if not 0 < len(unknown) <= _MOST_ASKED:
        return None
    names = {name: known.get(normal(name), "") for name in sorted(mine)}
    for name in unknown:
        question = f"task {task.name} has no {what} '{name}' ({number_of(mine[name], 'image')}).\nWhich {what} is it"
        answer = ask(question, [*choices, _LEAVE_OUT])
        names[name] = "-" if answer == _LEAVE_OUT else answer
    if what == "domain":
        return replace(answers, domains=names)
    return replace(answers, labels={name: names[name] for name in unknown})


def _with_flags(refusal: Refusal) -> Refusal:
    """A refusal of data for who has no node.toml yet: with the flag that maps a name."""
    flags = {"label-unknown": "--label LABEL=CLASS", "domain-unknown": "--domain DOMAIN or --domain FOLDER=DOMAIN"}
    if refusal.code not in flags:
        return refusal
    return Refusal(
        f"{refusal}; before there is a node.toml, say {flags[refusal.code]}, or write one by `ratatouille init node`",
        code=refusal.code,
    )


def _folder(ask: Ask) -> Path:
    while True:
        given = expanded(ask("Folder of your images (class/* or domain/class/*), or a CSV manifest").strip())
        if given.exists():
            return given.resolve()
        ask(f"there is no '{given}'\nPress Enter to answer again, or Ctrl-C to stop")


def _domain(answers: Answers, tasks: Sequence[Task], ask: Ask) -> str | None:
    """The domain of all images, asked for where the task has several and the folder names none."""
    task = _task(answers, tasks)
    assert answers.images is not None
    rows, _ = rows_of(_settings(answers))
    named = any(row.domain is not None for row in rows)
    if named or answers.images.name in task.domains or len(task.domains) == 1:
        return None
    return ask("Which domain are all these images", task.domains)


def _read(answers: Answers, tasks: Sequence[Task], cache: Path) -> LocalData:
    task = _task(answers, tasks)
    if answers.domain is not None and answers.domain not in task.domains:
        known, near = enumerated(task.domains, _MOST_SHOWN), did_you_mean(answers.domain, task.domains)
        raise Refusal(f"'{answers.domain}' is no domain of task '{task.name}', which has {known}{near}")
    return open_data(task, _settings(answers), cache)


def _settings(answers: Answers) -> DataSettings:
    assert answers.images is not None
    missing: Literal["refuse", "allow"] = "allow" if answers.missing_classes else "refuse"
    return DataSettings(
        path=answers.images,
        domain=answers.domain,
        missing_classes=missing,
        labels=dict(answers.labels),
        domains=dict(answers.domains),
    )


def _task(answers: Answers, tasks: Sequence[Task]) -> Task:
    found = next((task for task in tasks if task.name == answers.task), None)
    if found is None:
        names = enumerated([task.name for task in tasks], _MOST_SHOWN)
        near = did_you_mean(str(answers.task), [task.name for task in tasks])
        raise Refusal(f"there is no task '{answers.task}'; the registry has {names}{near}")
    return found
