"""Keys of the person at this machine: their own, and those of the nodes in their home folder."""

from __future__ import annotations

from ratatouille.errors import Refusal
from ratatouille.home import home


def my_nodes() -> tuple[str, ...]:
    """The public keys of this machine, of its person first.

    Raises:
        Refusal: when there are none.
    """
    from ratatouille.exchange.signing import Signer

    keys = [path for path in (home() / "key", *sorted(home().glob("nodes/*/key"))) if path.is_file()]
    if not keys:
        raise Refusal(f"nobody has contributed from '{home()}' yet: there is no key in it or in its nodes")
    return tuple(dict.fromkeys(Signer.open(path).node for path in keys))
