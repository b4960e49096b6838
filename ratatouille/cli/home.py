"""Where a person's settings and state are: the home folder, the remotes in it, and what is in force.

$RATATOUILLE_HOME (default ~/.ratatouille) has `config.toml` with named remotes; $RATATOUILLE_REMOTE and `--remote` go
before its default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ratatouille.errors import Refusal
from ratatouille.record import Name, Record
from ratatouille.settings import read_settings

DEFAULT_PORT = 9290
DEFAULT_WEB_PORT = 9280
LOCAL = f"grpc://127.0.0.1:{DEFAULT_PORT}"


class Config(Record):
    """What config.toml says."""

    name: Annotated[str, Field(max_length=80)] | None = None
    """How a person is called in the history; by default as on this machine."""
    default: str = "local"
    remotes: dict[Name, str] = Field(default_factory=dict)

    def address(self, name: str) -> str | None:
        """The address of a named remote; `local` is the coordinator of this machine unless it is redefined."""
        return self.remotes.get(name) or (LOCAL if name == "local" else None)


@dataclass(frozen=True)
class InForce:
    """A setting and where it comes from."""

    value: str
    source: str


def home() -> Path:
    """The home folder."""
    return Path(os.environ.get("RATATOUILLE_HOME") or Path.home() / ".ratatouille")


def config_file() -> Path:
    """The file with the named remotes."""
    return home() / "config.toml"


def read_config() -> Config:
    """The configuration; an empty one when there is no file."""
    path = config_file()
    return read_settings(path, Config, "config") if path.exists() else Config()


def author() -> str:
    """How the person at this machine is called in the history."""
    try:
        return read_config().name or getuser()[:80]
    except (OSError, KeyError):  # an account without a name, as containers have
        return ""


def remote_in_force(given: str | None) -> InForce:
    """The address that a command talks to, and why.

    Raises:
        Refusal: for a name that is no remote.
    """
    config = read_config()
    if given is not None:
        name, source = given, "--remote"
    elif os.environ.get("RATATOUILLE_REMOTE"):
        name, source = os.environ["RATATOUILLE_REMOTE"], "$RATATOUILLE_REMOTE"
    else:
        name, source = config.default, "config.toml" if config_file().exists() else "built in"
    if "://" in name or "/" in name or name.startswith("."):
        return InForce(name, source)
    address = config.address(name)
    if address is None:
        known = ", ".join(sorted({"local", *config.remotes}))
        raise Refusal(
            f"there is no remote '{name}'; the remotes are {known}, and `ratatouille remote add {name} URL` adds one"
        )
    return InForce(address, f"{source}, remote '{name}'")
