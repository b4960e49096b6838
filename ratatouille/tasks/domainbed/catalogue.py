"""The table of data sets: names, domains and classes in the paper's order, and how each may lie on disk.

Facts are those of DomainBed (`datasets.py`, `scripts/download.py`) and WILDS (`camelyon17_dataset.py`); the domains are
those of docs/method.md §2. A layout is a row too: another way to lie on disk is another `Layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.tasks.domainbed import classes
from ratatouille.tasks.domainbed.metadata import IMAGES, rows_of_camelyon, rows_of_camera_traps
from ratatouille.tasks.sentences import listed
from ratatouille.tasks.source import Row

Rows = Callable[[Path], tuple[list[Row], list[str]]]
"""From a data set's folder to rows of a manifest, files relative to that folder, and notes about what is left out."""


@dataclass(frozen=True)
class Layout:
    """One way in which a data set lies on disk.

    - `folder`: where, below the folder of all data sets.
    - `domains`: folders of `domain/class/*` and the domain that each is; empty where metadata say it.
    - `metadata`: what `rows` needs, where there are no such folders.
    - `rows`: reads the metadata.
    """

    folder: str
    domains: Mapping[str, str] = field(default_factory=dict)
    metadata: tuple[str, ...] = ()
    rows: Rows | None = None

    @property
    def holds(self) -> tuple[str, ...]:
        """What must be in the folder."""
        return (*self.domains, *self.metadata)


@dataclass(frozen=True)
class DataSet:
    """One data set of the paper; `layouts` are tried in their order, and the first is what a refusal names."""

    name: str
    title: str
    domains: tuple[str, ...]
    classes: tuple[str, ...]
    source: str
    """Where people get it."""
    layouts: tuple[Layout, ...]


_PACS = {"art_painting": "Art", "cartoon": "Cartoon", "photo": "Photo", "sketch": "Sketch"}
_OFFICE_HOME = {"Art": "Art", "Clipart": "Clipart", "Product": "Product"}
_REAL_WORLD, _REAL = {**_OFFICE_HOME, "Real World": "Real"}, {**_OFFICE_HOME, "Real": "Real"}
_DOMAIN_NET = {
    "clipart": "clip",
    "infograph": "info",
    "painting": "paint",
    "quickdraw": "quick",
    "real": "real",
    "sketch": "sketch",
}

DATA_SETS: dict[str, DataSet] = {
    row.name: row
    for row in (
        DataSet(
            "pacs",
            "PACS",
            ("Art", "Cartoon", "Photo", "Sketch"),
            classes.PACS,
            "https://sketchx.eecs.qmul.ac.uk/downloads/",
            (Layout("PACS", _PACS), Layout("PACS/kfold", _PACS), Layout("kfold", _PACS)),
        ),
        DataSet(
            "vlcs",
            "VLCS",
            ("Caltech", "LabelMe", "SUN", "VOC"),
            classes.VLCS,
            "https://github.com/facebookresearch/DomainBed (its script domainbed/scripts/download.py)",
            (Layout("VLCS", {"Caltech101": "Caltech", "LabelMe": "LabelMe", "SUN09": "SUN", "VOC2007": "VOC"}),),
        ),
        DataSet(
            "office-home",
            "OfficeHome",
            ("Art", "Clipart", "Product", "Real"),
            classes.OFFICE_HOME,
            "https://www.hemanthdv.org/officeHomeDataset.html",
            (
                Layout("office_home", _REAL_WORLD),
                Layout("office_home", _REAL),
                Layout("OfficeHomeDataset_10072016", _REAL_WORLD),
            ),
        ),
        DataSet(
            "terra-incognita",
            "TerraIncognita",
            ("L100", "L38", "L43", "L46"),
            classes.TERRA_INCOGNITA,
            "https://lila.science/datasets/caltech-camera-traps",
            (
                Layout("terra_incognita", {f"location_{place}": f"L{place}" for place in (100, 38, 43, 46)}),
                Layout("terra_incognita", metadata=(IMAGES,), rows=rows_of_camera_traps),
                Layout(".", metadata=(IMAGES,), rows=rows_of_camera_traps),
            ),
        ),
        DataSet(
            "domain-net",
            "DomainNet",
            ("clip", "info", "paint", "quick", "real", "sketch"),
            classes.DOMAIN_NET,
            "https://ai.bu.edu/M3SDA/",
            (Layout("domain_net", _DOMAIN_NET),),
        ),
        DataSet(
            "camelyon17-wilds",
            "Camelyon17-WILDS",
            ("hospital_0", "hospital_1", "hospital_2", "hospital_3", "hospital_4"),
            classes.CAMELYON17,
            "https://wilds.stanford.edu/datasets/",
            (Layout("camelyon17_v1.0", metadata=("metadata.csv", "patches"), rows=rows_of_camelyon),),
        ),
    )
}


def data_set_named(name: str) -> DataSet:
    """The data set of this name; capitals and punctuation do not matter.

    Raises:
        Refusal: when the table has no such row.
    """
    for row in DATA_SETS.values():
        if _plain(name) in (_plain(row.name), _plain(row.title)):
            return row
    raise Refusal(f"there is no data set '{name}' here; there are {listed(list(DATA_SETS))}")


def _plain(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())
