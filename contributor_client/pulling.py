"""Versions as other software takes them: a folder that timm and Hugging Face load, or arrays in Python.

`pull` writes the folder, with its card and its receipt. The folder appears whole or not at all. What was fetched stays
in the client's cache, so a pull that broke off goes on. A folder that holds the version already is left as it is; one
that holds anything else is never touched. `load` is `ratatouille.load`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from ratatouille.errors import Refusal
from ratatouille.folders import write_folder
from ratatouille.record import Digest, Record
from ratatouille.weights import canonical
from ratatouille.weights.canonical import Array, open_part
from ratatouille.weights.configuration import CONFIG
from ratatouille.weights.whole import put_together
from registry.commands.opened import folder_named, opened
from registry.exports.folders.card import CardFacts, card
from registry.exports.folders.pulled import STATEMENT, WEIGHTS, Statement, read_pulled
from registry.presentation.lineage import origins, trained_size
from registry.presentation.scores import score_lines
from registry.records import Details
from registry.services.registry import Registry

if TYPE_CHECKING:
    from ratatouille.training.loaded import Loaded


Progress = Callable[[int, int], None]
NEEDED = ("torch", "timm", "PIL")


class Written(Record):
    """The result of a pull."""

    folder: str
    version: Digest
    layout: Literal["timm", "parts"]
    new: bool
    """False: the folder held it already."""
    files: tuple[str, ...]


def pull(
    registry: Registry,
    revision: str,
    folder: Path | None = None,
    *,
    parts: bool = False,
    address: str = "",
    progress: Progress | None = None,
) -> Written:
    """Write a version into a folder.

    Args:
        registry: where the version is.
        revision: which.
        folder: where to write; by default a folder here, named after the task and the version's id.
        parts: write featurizer and head as they are kept, which needs neither timm nor torch.
        address: where the registry is, to be noted.
        progress: called with the bytes done and in all.

    Raises:
        Refusal: an unknown or retracted version, a folder that holds something else, a network that timm cannot build.
    """
    if not parts:
        _require_timm()
    details = registry.versions.show(revision)
    entry, version = details.entry, details.entry.version
    if entry.state != "admitted":
        raise Refusal(
            f"version {entry.id[:10]} is {entry.state}, so it is not given out; `ratatouille show {entry.id[:10]}` "
            "says why"
        )
    layout: Literal["timm", "parts"] = "parts" if parts else "timm"
    architecture = registry.definitions.architecture(version.architecture)
    task = None if version.task is None else registry.definitions.task(version.task)
    folder = folder or Path(f"{task.name if task else architecture.name}-{entry.id[:10]}")
    if _holds(folder, entry.id, layout):
        return _written(folder, entry.id, layout, new=False)
    statement = Statement(
        layout=layout,
        version=version,
        architecture=architecture,
        task=task,
        receipt=registry.versions.receipt(entry.id),
        image_size=trained_size(registry, details) or architecture.input_size,
        entered=entry.created,
        pulled=time.time(),
        registry=_shown(address),
    )
    featurizer, head = _fetched(registry, statement, progress)
    files = _parts(featurizer, head) if parts else _for_timm(statement, featurizer, head)
    texts = {
        "README.md": card(_facts(registry, folder.resolve().name, statement, details)).encode(),
        STATEMENT: statement.to_json(),
    }
    write_folder(folder.resolve(), files | {name: [text] for name, text in texts.items()})
    return _written(folder, entry.id, layout, new=True)


def _require_timm() -> None:
    """Refuse before anything is asked or fetched; looking is faster than importing."""
    for package in NEEDED:
        try:
            found = find_spec(package)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise Refusal(
                f"`ratatouille pull` needs {package}, which is not installed; pip install 'model-ratatouille[node]', "
                "or take the parts as they are kept with --parts"
            )


def _holds(folder: Path, id: str, layout: str) -> bool:
    """Whether the folder has this version already.

    Raises:
        Refusal: when it has anything else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not (folder / STATEMENT).is_file():
        raise Refusal(f"'{folder}' is there and holds something else; name another folder")
    found = read_pulled(folder)
    held = found.statement
    if (held.version.id, held.layout) != (id, layout):
        raise Refusal(
            f"'{folder}' holds version {held.version.id[:10]} ({held.layout}); name another folder, or remove it"
        )
    wrong = [check for check in found.verify().checks if check.verdict == "wrong"]
    if wrong:
        raise Refusal(f"'{folder}' does not hold what it says ({wrong[0].what}: {wrong[0].detail}); remove it first")
    return True


def _fetched(registry: Registry, statement: Statement, progress: Progress | None) -> tuple[Path, Path | None]:
    """The files of both parts, with one progress over both."""
    version, architecture = statement.version, statement.architecture
    first = canonical.size(architecture.featurizer)
    total = first + (canonical.size(architecture.head(len(statement.classes))) if version.head else 0)

    def after(done: int) -> Progress | None:
        return None if progress is None else (lambda part, _: progress(done + part, total))

    featurizer = registry.weights.fetch(version.featurizer, after(0))
    return featurizer, None if version.head is None else registry.weights.fetch(version.head, after(first))


def _parts(featurizer: Path, head: Path | None) -> dict[str, Iterable[bytes]]:
    files: dict[str, Iterable[bytes]] = {"featurizer.safetensors": _blocks(featurizer)}
    return files if head is None else files | {"head.safetensors": _blocks(head)}


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(2**20):
            yield block


def _for_timm(statement: Statement, featurizer: Path, head: Path | None) -> dict[str, Iterable[bytes]]:
    from ratatouille.training import numerics
    from ratatouille.training.export import export

    numerics.apply()
    architecture, classes = statement.architecture, statement.classes
    body = open_part(featurizer, architecture.featurizer)
    top: dict[str, Array] | None = None if head is None else open_part(head, architecture.head(len(classes)))
    try:
        exported = export(architecture, statement.image_size, classes, body, top)
    except Refusal as refusal:
        raise Refusal(f"{refusal}; --parts gives featurizer and head as they are kept") from refusal
    config = json.dumps(exported.config, indent=2, ensure_ascii=False) + "\n"
    return {WEIGHTS: put_together(architecture, body, exported.classifier, top), CONFIG: [config.encode()]}


def _facts(registry: Registry, name: str, statement: Statement, details: Details) -> CardFacts:
    lineage = registry.versions.lineage(details.entry.id)
    return CardFacts(
        name=name,
        statement=statement,
        entry=details.entry,
        members=registry.versions.contributions(details.entry.id),
        origins=origins(lineage),
        scores=score_lines(details.evaluations),
    )


def _shown(address: str) -> str:
    """An address that others may read: of services only, and without a name or password in it."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.scheme == "grpc" else ""


def _written(folder: Path, id: str, layout: Literal["timm", "parts"], *, new: bool) -> Written:
    files = tuple(sorted(path.name for path in folder.iterdir()))
    return Written(folder=str(folder), version=id, layout=layout, new=new, files=files)


def load(revision: str | Path, remote: str | None = None) -> Loaded:
    """What `ratatouille.load` gives; see there."""
    try:
        from ratatouille.training.loaded import ready
    except ModuleNotFoundError as error:
        raise Refusal(
            f"ratatouille.load needs {error.name}, which is not installed; pip install 'model-ratatouille[node]'"
        ) from error
    folder = revision if isinstance(revision, Path) else folder_named(revision)
    if folder is not None:
        pulled = read_pulled(folder)
        statement = pulled.statement
        return ready(
            statement.version, statement.architecture, statement.image_size, statement.classes, *pulled.arrays()
        )
    with opened(remote) as registry:
        details = registry.versions.show(str(revision))
        entry, version = details.entry, details.entry.version
        if entry.state != "admitted":
            raise Refusal(f"version {entry.id[:10]} is {entry.state}, so it is not loaded; name another one")
        architecture = registry.definitions.architecture(version.architecture)
        size = trained_size(registry, details) or architecture.input_size
        classes = registry.definitions.task(version.task).classes if version.task and version.head else ()
        featurizer = open_part(registry.weights.fetch(version.featurizer), architecture.featurizer)
        head = None
        if version.head is not None:
            head = open_part(registry.weights.fetch(version.head), architecture.head(len(classes)))
        return ready(version, architecture, size, classes, featurizer, head)
