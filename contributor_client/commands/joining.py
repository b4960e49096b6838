"""Preparations of `ratatouille node join`: the invitation, and a node.toml where there is none.

It asks at the terminal for values that no flag gives. Without a terminal it names the missing flags.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import typer

from contributor_client.new_node import Answers, Ask, write_node_file
from contributor_client.subject import NODE_FILE, believe_authority
from ratatouille.cli.output import print_line, short
from ratatouille.errors import Refusal, Unreachable
from ratatouille.federations import federation_of
from ratatouille.folders import expanded
from ratatouille.home import home, read_config, remote_in_force
from ratatouille.invitation import Invitation, read_invitation
from ratatouille.tasks.node import NodeSettings, read_node_settings
from registry.commands.joining import read_given
from registry.enrolment import await_approval, enrol, usable_member_name
from registry.lists import every
from registry.opening import open_registry

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """The arguments of the command."""

    file: Path | None
    remote: str | None
    invite: str | None
    name: str | None
    images: Path | None
    task: str | None
    domain: str | None
    missing_classes: bool
    folder: Path | None

    @property
    def path(self) -> Path:
        """The path of the node.toml, which need not exist yet."""
        return self.file or NODE_FILE

    def only_for_a_new_file(self) -> list[str]:
        """The flags that were given, and count only for a new node.toml."""
        said = {"--images": self.images, "--task": self.task, "--domain": self.domain}
        flags = [flag for flag, value in said.items() if value is not None]
        return [*flags, "--allow-missing-classes"] if self.missing_classes else flags


def prepared(wanted: Wanted) -> tuple[NodeSettings, str]:
    """The settings of the node and the address of its registry, once both are known.

    Args:
        wanted: what the command line says.

    Raises:
        Refusal: for what cannot be used, with the flags that are missing where nobody can be asked.
    """
    ask = _asker()
    known = read_node_settings(wanted.path) if wanted.file is not None or wanted.path.exists() else None
    if known is not None:
        believe_authority(known)
    if known is not None and (too_much := wanted.only_for_a_new_file()):
        raise Refusal(f"'{wanted.path}' exists and says {', '.join(too_much)} itself; change it there")
    invitation = _invitation(wanted, known, ask)
    if invitation is None:
        address = remote_in_force(wanted.remote or (known.remote if known is not None else None)).value
    else:
        address = invitation.address
        name = wanted.name or (known.name if known is not None else read_config().name) or _name(ask)
        place = wanted.folder or (known.folder if known is not None else None) or home() / "nodes" / name
        membership = await_approval(invitation, enrol(invitation, name, print_line, place), print_line)
        print_line(f"you are {membership.name} at {address}, with the role {membership.role}; your key is in {home()}")
    if known is None:
        joined = federation_of(address)
        name = wanted.name or (joined.name if joined is not None else read_config().name) or _name(ask)
        known = _new_file(wanted, address, usable_member_name(name), ask)
    return known, address


def _invitation(wanted: Wanted, known: NodeSettings | None, ask: Ask | None) -> Invitation | None:
    """The invitation, where one is given or needed: a new home has no other way to a registry."""
    if wanted.invite is not None:
        if wanted.remote is not None:
            raise Refusal("the invitation says where the registry is; leave --remote out")
        return read_given(wanted.invite)
    if known is not None or wanted.remote is not None or _answers(remote_in_force(None).value):
        return None
    if ask is None:
        raise Refusal("this home has joined no federation; say --invite FILE, or `-` for standard input")
    return _asked_until_usable(read_invitation, ask, "Invitation (the line that begins with ratatouille-invite:)")


def _answers(address: str) -> bool:
    """Whether a registry answers there."""
    try:
        with closing(open_registry(address)) as registry:
            registry.info()
    except (Unreachable, Refusal):
        return False
    return True


def _name(ask: Ask | None) -> str:
    if ask is None:
        raise Refusal("without a terminal nobody can be asked: say --name, which is how others see you")
    question = "How shall others call you and this node (public; letters, digits, dots, dashes, underscores)"
    return _asked_until_usable(usable_member_name, ask, question)


def _asked_until_usable(read: Callable[[str], T], ask: Ask, question: str) -> T:
    while True:
        try:
            return read(ask(question))
        except Refusal as refusal:
            print_line(str(refusal))


def _new_file(wanted: Wanted, address: str, name: str, ask: Ask | None) -> NodeSettings:
    with closing(open_registry(address)) as registry:
        tasks = list(every(lambda last: registry.definitions.tasks(last.name if last else "")))
    images = None if wanted.images is None else expanded(wanted.images).resolve()
    answers = Answers(name, address, images, wanted.task, wanted.domain, wanted.missing_classes)
    cache = (wanted.folder or home() / "nodes" / name) / "data"
    data = write_node_file(wanted.path, answers, tasks, cache, ask)
    held = data.holding
    print_line(
        f"wrote {wanted.path}: {held.total()} images of task {held.task_name} ({', '.join(held.domains)}), fingerprint "
        f"{short(held.fingerprint)}; `ratatouille check {wanted.path}` says what leaves this machine"
    )
    return read_node_settings(wanted.path)


def _asker() -> Ask | None:
    """Asks at the terminal; None where there is none."""
    if not sys.stdin.isatty():
        return None

    def ask(question: str, choices: Sequence[str] = ()) -> str:
        if not choices:
            return str(typer.prompt(question, default="" if "Press Enter" in question else None))
        for number, choice in enumerate(choices, 1):
            print_line(f"  {number}  {choice}")
        while True:
            answer = str(typer.prompt(f"{question} (number or name)")).strip()
            if answer in choices:
                return answer
            if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(choices):
                return choices[int(answer) - 1]
            print_line(f"that is none of the {len(choices)}")

    return ask
