"""`ratatouille members list|show|approve|role|revoke|link`: members of a registry, their roles and keys."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import MemberRole
from ratatouille.exchange.signing import Signer
from ratatouille.home import home, public_name
from ratatouille.wording import number_of
from registry.commands.opened import is_owner, opened
from registry.commands.release import Why, signing
from registry.lists import every
from registry.member_signer import MemberSigner
from registry.records import MemberRecord, Membership, Revocation, Submission
from registry.services.registry import Registry

Who = Annotated[str, typer.Argument(help="A member: its name, or the beginning of one of its keys.", metavar="WHO")]
MEMBERS = output.TableLayout(("name", "role", "state", "devices", "nodes", "since (UTC)", "id"), drop=("id", "nodes"))
INVITATIONS = output.TableLayout(
    ("invitation", "role", "for", "used", "until (UTC)", "state", "by"), drop=("by", "until (UTC)")
)
KEYS = output.TableLayout(("key", "kind", "name", "state", "since (UTC)", "note"), drop=("since (UTC)",))
GIVEN = output.TableLayout(("when (UTC)", "work", "task", "version", "receipt"), drop=("when (UTC)", "receipt"))


def list_(
    invited: Annotated[bool, typer.Option("--invitations", help="List invitations instead, the latest first.")] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """List the members, by name, or the invitations."""
    with opened(remote) as registry:
        if invited:
            invitations = registry.members.invitations()
            if as_json:
                output.print_json({"invitations": invitations})
                return
            if not invitations:
                output.print_line("there are no invitations; `ratatouille members invite` prints one")
                return
            rows = [
                (
                    output.short(one.id),
                    one.role,
                    one.name or (f"a device of {output.short(one.member)}" if one.member else "anybody"),
                    f"{one.used} of {one.uses}",
                    output.when(one.expires),
                    one.state + (", to be approved" if one.approve else ""),
                    output.short(one.maker),
                )
                for one in invitations
            ]
            output.print_table(INVITATIONS, rows)
            return
        found = list(every(lambda last: registry.members.members(last.name if last else "")))
    if as_json:
        output.print_json({"members": found})
        return
    if found:
        output.print_table(MEMBERS, [_row(one) for one in found])
    else:
        output.print_line("there are no members yet; `ratatouille members invite` prints an invitation")
    if is_owner(remote):
        output.print_line("(you are the owner of this registry, and need not be a member)")


def show(
    who: Annotated[
        str | None, typer.Argument(help="A name, or the beginning of a key (default: this machine's).", metavar="[WHO]")
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show a member: role, state, keys, and the invitation by which it joined."""
    with opened(remote) as registry:
        found = registry.members.find_member(who) if who else _this_machine(registry, remote)
    if as_json:
        output.print_json(found)
        return
    came = f", by invitation {output.short(found.invitation)}" if found.invitation else ""
    output.print_line(f"{found.name}: {found.role}, {found.state}, since {output.when(found.created)} (UTC){came}")
    rows = [
        (
            output.short(one.key),
            one.kind,
            one.name,
            one.state,
            output.when(one.changed),
            f"entered by {output.short(one.device)}"
            if one.device
            else f"in place of {output.short(one.replaces)}"
            if one.replaces
            else "",
        )
        for one in found.keys
    ]
    output.print_table(KEYS, rows)


def approve(who: Who, message: Why = "", remote: Remote = None, as_json: AsJson = False) -> None:
    """Approve a member who waits."""
    with opened(remote) as registry:
        found = registry.members.find_member(who)
        say(signer_of(registry).approve(found.id, message), as_json)


def set_role(
    who: Who,
    role: Annotated[str, typer.Argument(help="reader, contributor, maintainer or owner.", metavar="ROLE")],
    message: Why = "",
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Give a member another role. A reader's nodes may not work, so their work ends."""
    wanted = usable_role(role)
    with opened(remote) as registry:
        found = registry.members.find_member(who)
        say(signer_of(registry).set_role(found.id, wanted, message), as_json)


def revoke(
    who: Annotated[
        str | None, typer.Argument(help="A member: its name, or the beginning of a key.", metavar="[WHO]")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Only this key, and the nodes that it entered.", metavar="KEY")
    ] = None,
    invitation: Annotated[
        str | None, typer.Option("--invitation", help="An invitation instead of a member.", metavar="ID")
    ] = None,
    retract: Annotated[bool, typer.Option("--retract", help="Also retract all contributions of the member.")] = False,
    message: Why = "",
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Revoke the keys of a member for ever, and list its contributions.

    The registry refuses these keys from then on, and the invitation by which the member joined. Leases are given back
    and offers end. The contributions stay in use until somebody retracts them, as --retract does.
    """
    if (who is None) == (invitation is None) or (invitation and (key or retract)):
        raise Refusal("say one of these: a member, or --invitation ID")
    if retract and not message.strip():
        raise Refusal("say why with -m: those who built on this will ask")
    with opened(remote) as registry:
        signer = signer_of(registry)
        if invitation is not None:
            closed = signer.revoke_invitation(_whole(invitation, registry), message)
            if as_json:
                output.print_json(closed)
            else:
                output.print_line(f"invitation {output.short(closed.id)} is {closed.state}")
            return
        assert who is not None
        found = registry.members.find_member(who)
        done = signer.revoke(found.id, _key_of(found, key) if key else None, message)
        taken_back = take_back(registry, found, message) if retract else 0
    if as_json:
        output.print_json({**output.plain(done), "retracted": taken_back})
    else:
        say_revocation(done, taken_back, retract)


def take_back(registry: Registry, found: MemberRecord, message: str) -> int:
    """Retract all contributions of a member that are in use; returns how many they were."""
    maintainer = signing(registry)
    keys = [one.key for one in found.keys]
    given = every(lambda last: registry.work.submissions(keys, last.receipt if last else None))
    standing = [one for one in given if one.state == "admitted"]
    for one in standing:
        if one.version is not None:
            maintainer.retract(one.version, message)
        else:
            maintainer.retract_counts(one.receipt, message)
    return len(standing)


def say_revocation(done: Revocation, taken_back: int, retract: bool) -> None:
    """Print what ended, the contributions that stay in use, and the command that retracts them."""
    name = done.member.name
    keys = f"{number_of(len(done.keys), 'key')} of {name} {'is' if len(done.keys) == 1 else 'are'}"
    output.print_line(
        f"{keys} refused from now on; ended: {number_of(done.leases, 'lease')}, {number_of(done.offers, 'offer')}, "
        f"{number_of(done.invitations, 'invitation')}"
    )
    if retract:
        output.print_line(f"retracted: {number_of(taken_back, 'contribution')} of {name}")
    elif not done.admitted:
        output.print_line(f"{name} gave nothing that stands")
    else:
        output.print_table(GIVEN, [_given(one) for one in done.contributions], title=f"What {name} gave, which stands")
        more = done.admitted - len(done.contributions)
        rest = f" ({more} more are not listed)" if more else ""
        output.print_line(f"`ratatouille members revoke {name} --retract -m why` takes all of it back{rest}")


def link(
    who: Who,
    key: Annotated[str, typer.Argument(help="The new key, whole: `members show` of the new machine.", metavar="KEY")],
    lost: Annotated[str | None, typer.Option("--lost", help="The lost key, which is revoked.")] = None,
    message: Why = "",
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Enter a new device key of a member who has lost one.

    First check in another way that the new key is theirs: from then on it signs for them.
    """
    with opened(remote) as registry:
        found = registry.members.find_member(who)
        replaced = _key_of(found, lost) if lost else None
        say(signer_of(registry).link(found.id, key, replaced, message), as_json)


def signer_of(registry: Registry) -> MemberSigner:
    """The person at this machine, with the key in their home folder."""
    signer = Signer.open(home() / "key")
    return MemberSigner(registry, signer, public_name(signer.node).value)


def say(done: Membership, as_json: bool) -> None:
    """Print a member in one line."""
    if as_json:
        output.print_json(done)
    else:
        output.print_line(f"{done.name}: {done.role}, {done.state}")


def usable_role(text: str) -> MemberRole:
    """A role that a member can have.

    Raises:
        Refusal: for anything else.
    """
    for role in get_args(MemberRole):
        if role == text:
            return role  # type: ignore[no-any-return]
    raise Refusal(f"{text[:40]!r} is no role of a member; use {', '.join(get_args(MemberRole))}")


def _this_machine(registry: Registry, remote: str | None) -> MemberRecord:
    key = Signer.open(home() / "key").node
    try:
        return registry.members.find_member(key)
    except Refusal as refusal:
        if key not in str(refusal):  # such as: a member who waits, or whose key was revoked
            raise
        if is_owner(remote):
            raise Refusal(
                "you are the owner of this registry, not a member, so there is nothing to show; `ratatouille members "
                f"list` lists the members (the key of this machine is {key})"
            ) from refusal
        raise Refusal(
            "this machine's key is no member's here; join by an invitation, or let a maintainer link the key to a "
            f"member: {key}"
        ) from refusal


def _row(one: MemberRecord) -> tuple[str, ...]:
    alive = [key.kind for key in one.keys if key.state == "active"]
    counts = (str(alive.count("device")), str(alive.count("node")))
    return (one.name, one.role, one.state, *counts, output.when(one.created), output.short(one.id))


def _given(one: Submission) -> tuple[str, ...]:
    return (
        output.when(one.created),
        one.kind,
        one.task_name or "–",
        output.short(one.version),
        output.short(one.receipt),
    )


def _key_of(found: MemberRecord, beginning: str) -> str:
    """The key of a member that begins so.

    Raises:
        Refusal: for none, or several.
    """
    keys = [one.key for one in found.keys if one.key.startswith(beginning)]
    if len(keys) != 1:
        count = f"{len(keys)} keys" if keys else "no key"
        raise Refusal(f"{found.name} has {count} that begin with {beginning[:64]!r}; `members show` lists them")
    return keys[0]


def _whole(beginning: str, registry: Registry) -> str:
    """The id of the invitation that begins so."""
    found = [one.id for one in registry.members.invitations() if one.id.startswith(beginning)]
    if len(found) != 1:
        raise Refusal(f"{len(found)} invitations begin with {beginning[:64]!r}; `members list --invitations` has them")
    return found[0]
