"""Preparations of `ratatouille node join`: the invitation, and a node.toml where there is none.

It asks at the terminal for values that no flag gives. Without a terminal it names the missing flags.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
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
from ratatouille.wording import did_you_mean
from registry.commands.joining import read_given
from registry.enrolment import await_approval, enrol, name_in, name_that_counts, usable_member_name
from registry.lists import every
from registry.opening import open_registry

T = TypeVar("T")
_MOST_CHOICES = 40
"""Choices that fit a screen; of more, a person types the name."""


@dataclass(frozen=True)
class Wanted:
    """The arguments of the command."""

    file: Path | None
    remote: str | None
    invite: str | None
    name: str | None
    images: Path | None
    task: str | None
    domains: Sequence[str]
    """One for all images, or pairs FOLDER=DOMAIN."""
    labels: Sequence[str]
    """Pairs LABEL=CLASS."""
    missing_classes: bool
    folder: Path | None

    @property
    def path(self) -> Path:
        """The path of the node.toml, which need not exist yet."""
        return self.file or NODE_FILE

    def only_for_a_new_file(self) -> list[str]:
        """The flags that were given, and count only for a new node.toml."""
        said = {"--images": self.images, "--task": self.task, "--domain": self.domains, "--label": self.labels}
        flags = [flag for flag, value in said.items() if value]
        return [*flags, "--allow-missing-classes"] if self.missing_classes else flags

    def domains_of_images(self) -> tuple[str | None, dict[str, str]]:
        """The domain of all images, or that of each folder.

        Raises:
            Refusal: for both, or several for all.
        """
        alone = [one for one in self.domains if "=" not in one]
        if alone and len(self.domains) > 1:
            raise Refusal("say one --domain for all images, or --domain FOLDER=DOMAIN for each folder")
        return (alone[0], {}) if alone else (None, dict(_pair("--domain", one) for one in self.domains))


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
        name = _member_name(wanted, known, invitation, ask)
        place = wanted.folder or (known.folder if known is not None else None) or home() / "nodes" / name
        joined_before = federation_of(address) is not None
        membership = await_approval(invitation, enrol(invitation, name, print_line, place), print_line)
        print_line(f"you are {membership.name} at {address}, with the role {membership.role}; your key is in {home()}")
        if (sentence := name_that_counts(wanted.name, membership, joined_before)) is not None:
            print_line(sentence)
    if known is not None and wanted.name not in (None, known.name):
        print_line(f"'{wanted.path}' calls the node {known.name}; --name does not change that")
    if known is None:
        joined = federation_of(address)
        name = wanted.name or (joined.name if joined is not None else read_config().name) or _name(ask)
        known = _new_file(wanted, address, usable_member_name(name), ask)
    return known, address


def _member_name(wanted: Wanted, known: NodeSettings | None, invitation: Invitation, ask: Ask | None) -> str:
    """The name to join under: what was said, is known, or stands in the invitation; else it is asked for."""
    joined = federation_of(invitation.address)
    name = wanted.name or (known.name if known is not None else None) or (joined.name if joined is not None else None)
    if name is None:
        with suppress(Unreachable):  # joining waits for it
            name = name_in(invitation)
    return name or read_config().name or _name(ask)


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
    domain, domains = wanted.domains_of_images()
    labels = dict(_pair("--label", one) for one in wanted.labels)
    answers = Answers(name, address, images, wanted.task, domain, wanted.missing_classes, labels, domains)
    cache = (wanted.folder or home() / "nodes" / name) / "data"
    data = write_node_file(wanted.path, answers, tasks, cache, ask)
    held = data.holding
    print_line(
        f"wrote {wanted.path}: {held.total()} images of task {held.task_name} ({', '.join(held.domains)}), fingerprint "
        f"{short(held.fingerprint)}; `ratatouille check {wanted.path}` says what leaves this machine"
    )
    return read_node_settings(wanted.path)


def _pair(flag: str, given: str) -> tuple[str, str]:
    """The two names of `LOCAL=NAME`; a local name may have the sign itself.

    Raises:
        Refusal: where one is missing.
    """
    local, _, name = given.rpartition("=")
    if not local or not name:
        raise Refusal(f"{flag} '{given[:80]}' names no pair; say {flag} 'MINE=THEIRS', with - to leave images out")
    return local, name


def _asker() -> Ask | None:
    """Asks at the terminal; None where there is none."""
    if not sys.stdin.isatty():
        return None

    def ask(question: str, choices: Sequence[str] = ()) -> str:
        *before, question = question.split("\n")
        for sentence in before:
            print_line(sentence)
        if not choices:
            return str(typer.prompt(question, default="" if "Press Enter" in question else None))
        for number, choice in enumerate(choices if len(choices) <= _MOST_CHOICES else (), 1):
            print_line(f"  {number}  {choice}")
        while True:
            answer = str(typer.prompt(f"{question} (number or name)")).strip()
            if answer in choices:
                return answer
            if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(choices):
                return choices[int(answer) - 1]
            print_line(f"that is none of the {len(choices)}{did_you_mean(answer, choices)}")

    return ask
