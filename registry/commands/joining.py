"""`ratatouille members join`: a person without a node becomes a member by an invitation."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson
from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.federations import federation_of
from ratatouille.folders import expanded
from ratatouille.home import home, public_name
from ratatouille.invitation import PREFIX, Invitation, read_invitation
from registry.commands.members import say
from registry.enrolment import enrol, name_that_counts

STDIN = "-"
_LONGEST_FILE = 10_000


def join(
    invite: Annotated[
        str, typer.Option("--invite", help="The invitation: a file, - for standard input, or the line.", metavar="FILE")
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="How others see you, where the invitation does not say it (default: `config name`, "
            "else the short form of your key).",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Become a member by an invitation, without a node.

    This is for people who read, push or maintain. People who offer data use `ratatouille node join`. The key of this
    machine is entered once, however often you try, and a failed attempt does not use the invitation up. The federation
    is this machine's default from then on.
    """
    invitation, key = read_given(invite), Signer.open(home() / "key").node
    joined_before = federation_of(invitation.address) is not None
    done = enrol(invitation, public_name(key, name).value, output.print_note)
    say(done, as_json)
    if (sentence := name_that_counts(name, done, joined_before)) is not None:
        output.print_note(sentence)
    if as_json:
        return
    if done.state == "waiting":
        output.print_line(f"a maintainer lets you in by `ratatouille members approve {done.name}`")
        return
    output.print_line(f"you joined {invitation.address}; your key is in {home()}")


def read_given(given: str) -> Invitation:
    """The invitation that `--invite` says: the line itself, `-` for standard input, or a file.

    Raises:
        Refusal: when there is none.
    """
    if given.strip().startswith(PREFIX):
        return read_invitation(given)
    if given == STDIN:
        return read_invitation(sys.stdin.readline(_LONGEST_FILE))
    path = expanded(given)
    try:
        with path.open(encoding="utf-8") as file:
            return read_invitation(file.read(_LONGEST_FILE))
    except FileNotFoundError:
        raise Refusal(f"there is no file '{path}' with an invitation; give its path, `-`, or the line") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"the file '{path}' with the invitation cannot be read as text") from error
