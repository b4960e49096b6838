"""Running a round from a round.toml for a command: over Flower or rehearsed, shown while it runs, its result kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from coordinator.commands.follow import follow
from coordinator.driver import RoundDriver
from coordinator.requests import request
from coordinator.settings import RoundSettings, read_round_settings
from ratatouille.cli.output import print_line
from ratatouille.errors import Refusal
from ratatouille.folders import make_private, write_whole
from ratatouille.home import remote_in_force
from ratatouille.platforms import refuse_without_posix
from ratatouille.recipes.round import Round
from ratatouille.record import first_problem
from ratatouille.wording import number_of
from registry.records import RoundRecord
from registry.services.registry import Registry

if TYPE_CHECKING:
    from ratatouille.analysis.figures import Pixels
    from ratatouille.analysis.report import Report

RoundFile = Annotated[Path, typer.Argument(help="The round's settings.", metavar="ROUND.TOML")]
Runs = Annotated[int | None, typer.Option(min=1, help="Runs of each recipe instead of the protocol's.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Steps of each target run instead of the protocol's.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ask everything anew, also what is known.")]
Rehearse = Annotated[
    list[Path] | None,
    typer.Option("--rehearse", help="Run without Flower on the data of this node.toml (repeat it for more)."),
]
Workers = Annotated[int, typer.Option(min=1, help="Worker processes of a rehearsal.")]


def settings_of(file: Path, runs: int | None, steps: int | None, **changes: Any) -> RoundSettings:
    """A round.toml with a command's flags over it; None leaves a key as the file has it.

    Raises:
        Refusal: for a file or a flag that cannot be used.
    """
    settings = read_round_settings(file)
    protocol = {key: value for key, value in {"runs": runs, "steps": steps}.items() if value is not None}
    given = {key: value for key, value in changes.items() if value is not None}
    values = settings.model_dump() | given | {"protocol": settings.protocol | protocol}
    try:
        return RoundSettings.model_validate(values)
    except ValidationError as error:
        raise Refusal(f"the flags given with '{file}' cannot be used: {first_problem(error)}") from error


def carried_out(
    settings: RoundSettings,
    registry: Registry,
    remote: str | None,
    rehearsed: Sequence[Path],
    workers: int,
    fresh: bool,
    quiet: bool,
) -> RoundRecord:
    """The round, run to its end: rehearsed on the data of these node files, or without any by the federation.

    Raises:
        Refusal: as `resolve` does, and when the round fails or is cancelled.
    """
    if rehearsed:
        id_ = _rehearse(settings, remote_in_force(remote).value, rehearsed, workers, fresh, quiet)
    else:
        round = request(settings, registry, fresh, None if quiet else print_line)
        say_gaps(round, quiet)
        id_ = round.id
        follow(registry, id_, quiet=quiet)
    record = registry.rounds.round(id_)
    if record.state in ("failed", "cancelled"):
        raise Refusal(f"round {record.name} ({record.id}) {record.state}: {record.reason}")
    return record


def say_gaps(round: Round, quiet: bool) -> None:
    """Say at its start what the data of a round lacks."""
    for gap in () if quiet else round.gaps:
        print_line(f"note: {gap}", "yellow")


def _rehearse(
    settings: RoundSettings, address: str, files: Sequence[Path], workers: int, fresh: bool, quiet: bool
) -> str:
    from coordinator.rehearsal import RehearsalSite, rehearse
    from ratatouille.home import home
    from ratatouille.tasks.kept import forget_old, make_own
    from ratatouille.tasks.node import read_node_settings

    nodes = tuple(read_node_settings(file.resolve()) for file in files)
    refuse_without_posix("a rehearsal")
    site = RehearsalSite(address, nodes, (home() / "rehearsal").resolve())
    make_private(home())
    make_own(site.folder)
    forget_old(site.folder)
    last: list[str] = []

    def show_progress(drivers: Sequence[RoundDriver]) -> None:
        if not last:
            say_gaps(drivers[0].round, quiet)
        found = drivers[0].gather()
        asked = number_of(len(found.questions), "question")
        line = f"rehearsal: {len(found.questions) - len(found.orders)} of {asked} answered"
        if not quiet and last[-1:] != [line]:
            last.append(line)
            print_line(line)

    return rehearse(settings, site, workers, fresh=fresh, on_progress=show_progress).id


def keep(
    folder: Path, found: Report, record: RoundRecord, examples: Mapping[str, Sequence[Pixels]] | None = None
) -> None:
    """Write report.json, round.json (everything that determined the result) and figure.png."""
    from ratatouille.analysis.figures import draw_round

    write_whole(folder / "report.json", [_text(found.model_dump(mode="json"))])
    write_whole(folder / "round.json", [_text(json.loads(record.spec))])
    draw_round(found, examples or {}, folder / "figure.png")


def _text(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
