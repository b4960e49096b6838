"""Settings of a node, as a contributor writes them in a node.toml, and the data that they open.

`contributor_client` has how a node joins a federation; a rehearsal opens the same files without joining one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from ratatouille.errors import Refusal
from ratatouille.folders import expanded, make_private
from ratatouille.home import home
from ratatouille.record import Name, Record
from ratatouille.settings import parse_settings, read_toml
from ratatouille.tasks.data import LocalData, open_data
from ratatouille.tasks.hours import HourTexts
from ratatouille.tasks.images import Progress
from ratatouille.tasks.kept import MOST_BYTES, make_own
from ratatouille.tasks.settings import DataSettings, Limits
from ratatouille.tasks.task import Task
from ratatouille.tasks.time_limit import TimeLimit

MOST_DEVICES = 64
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,3})?")


def _devices(value: object) -> object:
    """One device as it is written, or several, from a list or a text, with commas between them.

    Raises:
        PydanticCustomError: for what is none, and for several that are not different devices; only `cpu`, which has
            several processors, may be there more than once.
    """
    several = value.split(",") if isinstance(value, str) else value
    if not isinstance(several, list | tuple) or not several:
        several = [value]
    for one in several:
        if not isinstance(one, str) or not _DEVICE.fullmatch(one):
            raise PydanticCustomError(
                "device", "there is no device {value}; write auto, cpu, mps, cuda or cuda:1", {"value": repr(one)[:40]}
            )
    named = [one for one in several if one != "cpu"]
    if len(several) > 1 and ({"auto", "cuda"} & set(named) or len(set(named)) < len(named)):
        raise PydanticCustomError(
            "device", 'several devices are named one by one, each once, such as ["cuda:0", "cuda:1"]'
        )
    if len(several) > MOST_DEVICES:
        raise PydanticCustomError("device", "a node has {most} devices at most", {"most": MOST_DEVICES})
    return ",".join(map(str, several))


class NodeData(DataSettings):
    """One `[[data]]` table: images, and the task that they belong to."""

    task: Name


class NodeSettings(Record):
    """The settings of a node, as a contributor writes them in a node.toml."""

    name: Name
    remote: str | None = None
    """Name or address of the registry; the default remote when it is not given."""
    authority: Path | None = None
    """A file with the authorities (PEM) that are believed at the registry's address, in place of this machine's."""
    folder: Path | None = None
    """Where the node keeps its key, caches and checkpoints."""
    trains: bool = True
    """False: this node evaluates on its data and never trains on it."""
    device: Annotated[str, BeforeValidator(_devices)] = "auto"
    """One device, or several with commas between them: each has a worker of its own."""
    hours: HourTexts = ()
    """When it works, as "22:00-07:00" or several of them, by the clock of this machine; at any time when empty."""
    time_limit: TimeLimit | None = None
    """How long it may run from its start, as "4h" or "1d12h"; it saves its work and leaves three minutes before."""
    turns: Path | None = None
    """A folder that several nodes on one machine share: `at_once` of them train at a time."""
    at_once: Annotated[int, Field(ge=1)] = 2
    """How many nodes that share `turns` train at a time; not more than the machine has processors."""
    cpus: Annotated[int, Field(ge=1, le=4096)] | None = None
    """How many processors the worker uses at most, its loader of images included."""
    nice: Annotated[int, Field(ge=0, le=19)] = 0
    """How much the worker gives way to other programs."""
    max_disk: Annotated[float, Field(ge=0.1, le=1_000_000)] | None = None
    """How many gigabytes the node keeps of images, features and fetched weights together."""
    image_cache: bool = True
    """False: no copy of an image is kept in any form; images are decoded anew for each piece of work."""
    cache_megabytes: Annotated[int, Field(ge=100)] = 20_000
    """How much the node keeps of weights that it fetched."""
    smallest_count: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Mistakes that fewer images share leave the node as one number for each class."""
    networks_per_week: Annotated[int, Field(ge=0)] = 1000
    """How many networks this node counts on each holding in a week; what is asked beyond it is not counted."""
    limits: Limits = Limits()
    """The most that one order may ask for."""
    data: Annotated[tuple[NodeData, ...], Field(min_length=1)]

    @property
    def place(self) -> Path:
        """The node's folder: the one that is named, else one of the node's name in the home folder."""
        return self.folder or home() / "nodes" / self.name

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices, one for each worker."""
        return tuple(self.device.split(","))

    @property
    def device_kind(self) -> str:
        """What an offer says of the devices: `cuda` for `cuda:1`, and the first of several."""
        return self.devices[0].partition(":")[0]

    @property
    def images_bytes(self) -> int:
        """What may be kept of images and features; half of `max_disk`."""
        return MOST_BYTES if self.max_disk is None else int(self.max_disk * 10**9 / 2)

    @property
    def weights_bytes(self) -> int:
        """What may be kept of fetched weights: `cache_megabytes`, and not more than half of `max_disk`."""
        kept = self.cache_megabytes * 2**20
        return kept if self.max_disk is None else min(kept, self.images_bytes)


def read_node_settings(path: Path) -> NodeSettings:
    """Read a node.toml; relative paths in it count from its folder, `~` is the owner's home folder.

    Raises:
        Refusal: naming the file and its first mistake.
    """
    settings = parse_settings(read_toml(path, "node"), NodeSettings, path, "node")

    def here(written: Path | None) -> Path | None:
        return written and path.parent / expanded(written)

    data = tuple(
        table.model_copy(
            update={"path": here(table.path), "fingerprint_secret_file": here(table.fingerprint_secret_file)}
        )
        for table in settings.data
    )
    return settings.model_copy(
        update={
            "data": data,
            "folder": here(settings.folder),
            "authority": here(settings.authority),
            "turns": here(settings.turns),
        }
    )


def open_holdings(
    settings: NodeSettings, find_task: Callable[[str], Task], cache: Path, progress: Progress | None = None
) -> dict[str, LocalData]:
    """Open all data of a node, by fingerprint.

    Raises:
        Refusal: as `open_data` does, and for two tables that hold the same data.
    """
    opened: dict[str, LocalData] = {}
    for table in settings.data:
        task = find_task(table.task)
        plain = DataSettings(**{name: getattr(table, name) for name in DataSettings.model_fields})
        data = open_data(task, plain, cache, progress, settings.image_cache)
        if data.holding.fingerprint in opened:
            raise Refusal(
                f"node '{settings.name}' names the same images of task '{task.name}' twice; keep one table",
                code="data-twice",
            )
        opened[data.holding.fingerprint] = data
    return opened


def open_in_place(
    settings: NodeSettings, find_task: Callable[[str], Task], progress: Progress | None = None
) -> dict[str, LocalData]:
    """A node's data, opened in the folder that the node will use: so joining does not read every image again.

    Raises:
        Refusal: as `open_holdings`.
    """
    make_private(home())
    make_own(settings.place)
    return open_holdings(settings, find_task, settings.place / "data", progress)
