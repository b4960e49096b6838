"""`ratatouille web-login`: a link that lets a browser read the page of a registry whose history is for members."""

from __future__ import annotations

from ratatouille.addresses import Address
from ratatouille.cli import output
from ratatouille.cli.output import Remote
from ratatouille.errors import Refusal
from ratatouille.home import remote_in_force
from registry.commands.opened import opened
from registry.transport.credentials import LazySession


def web_login(remote: Remote = None) -> None:
    """Print a link that opens the registry's web page in a browser.

    Where reading is for members, the link logs the browser in as you, for an hour. It works once, so it is of no use to
    who finds it later; do not give it to others before. `/logout` ends it earlier.
    """
    where = remote_in_force(remote).value
    address = Address.of(where)
    if address is None:
        raise Refusal(f"'{where}' is a folder, which shows no page; `ratatouille registry web` opens one for you")
    with opened(remote) as registry:
        info = registry.info()
        if info.web is None:
            raise Refusal(f"the registry at {where} shows no web page; it was started with --no-web")
        page = f"https://{address.host_and_port}/" if address.encrypted else info.web
        if info.reading == "public":
            output.print_line(page)
            return
        session = LazySession(where, registry.members.challenge, registry.members.open_session).open()
        assert session is not None, "info is for readers, and a session was opened for it"
        output.print_line(f"{page}login/{session.token}")
