"""`ratatouille members rotate`: a new key for this machine, in the place of the old one."""

from __future__ import annotations

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.federations import federations
from ratatouille.folders import sync
from ratatouille.home import home, remote_in_force
from registry.commands.members import signer_of
from registry.commands.opened import opened
from registry.commands.release import Why


def rotate(message: Why = "", remote: Remote = None, as_json: AsJson = False) -> None:
    """Replace the key of this machine by a new one, in every federation that it joined.

    The old key signs the new one, so the history knows both as one person; from then on the old key is refused. The
    keys of your nodes stay. Run it again if a federation was not reached: this machine keeps its old key until all of
    them have the new one.
    """
    key, following = home() / "key", home() / "key.new"
    if not key.exists():
        raise Refusal("this machine has no key yet; join a federation first")
    places = [remote] if remote else [one.address for one in federations()] or [remote_in_force(None).value]
    old, new = Signer.open(key), Signer.open(following)
    for place in places:
        with opened(place) as registry:
            try:
                signer_of(registry).rotate(new, message)
            except Refusal as refusal:
                if new.node[:12] not in str(refusal):  # the old key was replaced by this very one before
                    raise
    kept = home() / f"key.replaced-{old.node[:10]}"
    key.rename(kept)
    following.rename(key)
    sync(home())
    if as_json:
        output.print_json({"key": new.node, "replaced": old.node, "registries": places, "kept": str(kept)})
    else:
        output.print_line(f"{output.short(new.node)} is the key of this machine now, at {', '.join(places)}")
        output.print_line(f"The old one, {output.short(old.node)}, is refused there; it is kept as {kept}.")
