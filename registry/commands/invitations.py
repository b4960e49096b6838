"""`ratatouille members invite` and `members add-device`: invitations, each printed as one line, once."""

from __future__ import annotations

import ssl
import time
from typing import Annotated

import typer

from ratatouille.addresses import FRONT_DOOR_PORT, Address
from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.errors import Refusal
from ratatouille.home import remote_in_force
from ratatouille.invitation import Invitation
from ratatouille.record import Digest, sha256
from registry.commands.members import signer_of, usable_role
from registry.commands.opened import folder_of, opened
from registry.commands.release import Why
from registry.moments import seconds_of
from registry.records import Info, InvitationRecord
from registry.services.registry import Registry

Reachable = Annotated[
    str | None,
    typer.Option("--address", help="Where others reach the registry (default: its front door).", metavar="HOST:PORT"),
]


def invite(
    role: Annotated[str, typer.Option("--role", help="What they may do: reader, contributor, maintainer, owner.")] = (
        "contributor"
    ),
    name: Annotated[
        str | None, typer.Option("--name", help="The member's name (default: the member chooses it).")
    ] = None,
    uses: Annotated[int, typer.Option("--uses", min=1, help="How many members may join by it.")] = 1,
    expires: Annotated[str, typer.Option("--expires", help="How long it holds: 12h, 7d, 2w.", metavar="TIME")] = "7d",
    approve: Annotated[bool, typer.Option("--approve", help="Each member waits until a maintainer approves.")] = False,
    address: Reachable = None,
    message: Why = "",
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Print an invitation: one line, with which others become members.

    The line has a secret: send it in a way that only the invited person can read. The registry keeps only the SHA-256
    of the secret, so the line cannot be printed again. Nobody can give a role above their own.
    """
    wanted, seconds = usable_role(role), seconds_of(expires)
    with opened(remote) as registry:
        where, authority = reachable(registry.info(), remote, address)
        made = signer_of(registry).invite(
            where, authority, role=wanted, name=name, uses=uses, seconds=seconds, approve=approve, message=message
        )
        before = [] if name is None else _open_for(name, registry, made)
    people = name or ("one member" if uses == 1 else f"{uses} members")
    wait = ", who wait until `ratatouille members approve`" if approve else ""
    print_invitation(made, f"for {people} with the role {wanted}{wait}", time.time() + seconds, as_json)
    for one in before:
        output.print_note(
            f"warning: {name} has another open invitation, until {output.when(one.expires)} (UTC); who joins first by "
            f"either of them is {name}, and `ratatouille members revoke --invitation {output.short(one.id)}` closes it"
        )


def add_device(
    expires: Annotated[str, typer.Option("--expires", help="How long it holds: 1h, 2d.", metavar="TIME")] = "1h",
    address: Reachable = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Print an invitation for another device of yours.

    Use it there as any invitation: the device makes a key of its own, which belongs to you as this machine's does.
    """
    seconds = seconds_of(expires)
    with opened(remote) as registry:
        where, authority = reachable(registry.info(), remote, address)
        made = signer_of(registry).invite_device(where, authority, seconds)
    print_invitation(made, "for another device of yours", time.time() + seconds, as_json)


def _open_for(name: str, registry: Registry, made: Invitation) -> list[InvitationRecord]:
    """The open invitations of the same name, without the one that was just made."""
    found = [one for one in registry.members.invitations() if one.state == "open" and one.id != made.id]
    return [one for one in found if one.name is not None and one.name.lower() == name.lower()]


def print_invitation(made: Invitation, about: str, until: float, as_json: bool) -> None:
    """Print the line alone on standard output, so that it can be piped, and a sentence about it on standard error."""
    if as_json:
        found = {"line": made.line, "invitation": made.id, "address": made.address, "authority": made.authority}
        output.print_json({**found, "expires": until})
        return
    output.print_text(made.line)
    where = " (this machine only)" if Address.parse(made.address).is_loopback else ""
    words = f"{about}, at {made.address}{where}, until {output.when(until)} (UTC); `ratatouille node join` asks for it"
    output.print_note(words)


def reachable(info: Info, remote: str | None, given: str | None) -> tuple[str, Digest | None]:
    """The address of an invitation, and the pin of its authority: of `given`, the front door, or the remote in force.

    Raises:
        Refusal: for a registry in a folder, which others cannot reach.
    """
    pin = None if info.authority is None else sha256(ssl.PEM_cert_to_DER_cert(info.authority))
    if given is not None:
        whole = given if "://" in given else f"grpcs://{given}"
        if Address.of(whole) is None and Address.of(f"{whole}:{FRONT_DOOR_PORT}") is not None:
            whole = f"{whole}:{FRONT_DOOR_PORT}"
        address = Address.parse(whole)
        return str(address), pin if address.encrypted else None
    if info.public is not None:
        return str(Address.parse(f"grpcs://{info.public}")), pin
    used = remote_in_force(remote).value
    if folder_of(used) is not None:
        raise Refusal(
            "a registry in a folder has no address that others reach; start `ratatouille coordinator up`, or name it "
            "with --address"
        )
    return str(Address.parse(used)), None
