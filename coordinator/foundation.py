"""Entering a foundation from here, where torch may be absent: the command that people type, as a child process."""

from __future__ import annotations

import time
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.processes import Child, Program, environment_with_scripts, module
from registry.services.registry import Registry

ALIAS = "foundation"


def enter_once(
    registry: Registry, url: str, log: Path, source: str, image_size: int, architecture: str | None = None
) -> None:
    """Enter weights under the alias `foundation`, unless there is one.

    Args:
        registry: where it is looked for.
        url: how the command reaches that registry.
        log: what the command says.
        source: what `ratatouille foundation` takes.
        image_size: pixels of a side.
        architecture: timm's name of the network, where the source does not say it.

    Raises:
        Refusal: weights that cannot be entered, in the command's words.
    """
    if registry.releases.alias_history(ALIAS, limit=1):
        return
    command = [*module("ratatouille.cli.main"), "foundation", source, "--as", ALIAS]
    command += ["--image-size", str(image_size), "--remote", url]
    command += [] if architecture is None else ["--architecture", architecture]
    with Child(Program("foundation", tuple(command), log, environment_with_scripts())) as child:
        while child.running:
            time.sleep(0.1)
        if child.exit_code:
            raise Refusal(f"the foundation was not entered: {child.log_tail(3)}")
