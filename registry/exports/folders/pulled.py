"""A pulled folder: what `ratatouille.json` in it says, and whether its weights are those of the version.

The folder can be checked far from any registry: the version's id is the hash of its record, the record names the hashes
of both parts, and the receipt is signed. numpy only; writing the folder is for `contributor_client.pulling`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ratatouille.errors import Refusal
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.exchange.version import Version
from ratatouille.record import Record
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import PARTS, Architecture
from ratatouille.weights.canonical import Array, open_part
from ratatouille.weights.compatibility import differences
from ratatouille.weights.configuration import CONFIG, read_configuration
from ratatouille.weights.container import Container
from ratatouille.weights.whole import Whole, take_apart
from registry.blobs.disk import hash_file
from registry.records import Check, Verification

STATEMENT = "ratatouille.json"
WEIGHTS = "model.safetensors"
LARGEST_STATEMENT = 64 * 2**20
LARGEST_CONFIG = 16 * 2**20


class Statement(Record):
    """The statement in a pulled folder."""

    format: Literal[1] = 1
    layout: Literal["timm", "parts"]
    """One file under timm's names, or featurizer and head as they are kept."""
    version: Version
    architecture: Architecture
    task: Task | None
    receipt: Sealed | None
    image_size: Annotated[int, Field(ge=1, le=4096)]
    """Pixels of a side that the version was trained at."""
    entered: float
    """When the version was made."""
    pulled: float
    registry: str
    """The address that it was pulled from; empty for a registry in a folder."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the head's outputs; empty for a featurizer alone."""
        return self.task.classes if self.task is not None and self.version.head is not None else ()


@dataclass(frozen=True)
class Pulled:
    """A pulled folder with its statement."""

    folder: Path
    statement: Statement

    def digests(self) -> tuple[str, str | None]:
        """SHA-256 of the parts that lie in the folder, as canonical files.

        Raises:
            Refusal: when a file is missing, or is not of the version's architecture.
        """
        if self.statement.layout == "timm":
            return self._whole().digests()
        digests = [hash_file(path) if (path := self._part(part)).exists() else None for part in PARTS]
        if digests[0] is None:
            raise Refusal(f"'{self._part('featurizer')}' is missing; pull the version again, to another folder")
        return digests[0], digests[1]

    def arrays(self) -> tuple[dict[str, Array], dict[str, Array] | None]:
        """Featurizer and head, once their digests are those of the version.

        Raises:
            Refusal: when they are not.
        """
        version, architecture = self.statement.version, self.statement.architecture
        _expect((version.featurizer, version.head), self.digests())
        if self.statement.layout == "timm":
            whole = self._whole()
            featurizer = {tensor.name: whole.container[tensor.name] for tensor in architecture.featurizer}
            return featurizer, whole.head() or None
        tensors = {part: architecture.part(part, len(self.statement.classes)) for part in PARTS}
        head = None if version.head is None else open_part(self._part("head"), tensors["head"])
        return open_part(self._part("featurizer"), tensors["featurizer"]), head

    def verify(self) -> Verification:
        """Check that the folder holds what it says; the registry's `verify` sees the parents too."""
        return Verification(id=self.statement.version.id, checks=tuple(self._checks()))

    def _checks(self) -> Iterator[Check]:
        version = self.statement.version
        yield _check("weights", lambda: _expect((version.featurizer, version.head), self.digests()))
        yield _check("definitions", self._definitions)
        if self.statement.layout == "timm":
            yield _check("config", self._config)
        if version.receipt is not None:
            yield _check("receipt", self._receipt)

    def _definitions(self) -> str:
        said, version = self.statement, self.statement.version
        if said.architecture.digest != version.architecture:
            raise Refusal("the architecture is another one than the version's")
        if (None if said.task is None else said.task.digest) != version.task:
            raise Refusal("the task is another one than the version's")
        return said.architecture.name if said.task is None else f"{said.architecture.name}, task {said.task.name}"

    def _config(self) -> str:
        """Check what timm reads of classes and images; the version's id covers it by task and architecture only."""
        said, architecture = self.statement, self.statement.architecture
        found = read_configuration(read_json(self.folder / CONFIG))
        wrong = list(differences(found, architecture, said.image_size, len(said.classes)))
        if found.architecture != architecture.name.partition(".")[0]:
            wrong.append(f"architecture is {found.architecture}")
        if (found.names or ()) != said.classes:
            wrong.append("label_names are others")
        images = found.images or {}
        exact = {"mean": list(architecture.mean), "std": list(architecture.std)}
        wrong += [f"{key} is another" for key, ours in exact.items() if images.get(key) != ours]
        if wrong:
            raise Refusal(f"{CONFIG} is not the version's ({'; '.join(wrong)[:300]}); pull it again, to another folder")
        return "classes and images as the version's"

    def _receipt(self) -> str:
        version, sealed = self.statement.version, self.statement.receipt
        if sealed is None:
            raise Refusal("the receipt is missing")
        receipt = unseal(sealed, Receipt)
        if (receipt.digest, receipt.node) != (version.receipt, sealed.node):
            raise Refusal("the receipt is another one than the version's")
        return f"signed by {sealed.node[:12]}…"

    def _whole(self) -> Whole:
        return take_apart(Container(self.folder / WEIGHTS), self.statement.architecture)

    def _part(self, part: str) -> Path:
        return self.folder / f"{part}.safetensors"


def read_pulled(folder: Path) -> Pulled:
    """A pulled folder.

    Raises:
        Refusal: when it is none, or its statement cannot be read.
    """
    path = folder / STATEMENT
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_STATEMENT + 1)
    except FileNotFoundError:
        raise Refusal(f"'{folder}' was not written by `ratatouille pull`: it has no {STATEMENT}") from None
    except OSError as error:
        raise Refusal(f"'{path}' cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_STATEMENT:
        raise Refusal(f"'{path}' is too large to be a statement about weights")
    return Pulled(folder, Statement.from_json(data))


def read_json(path: Path, largest: int = LARGEST_CONFIG) -> dict[str, Any]:
    """A JSON object from a file of a folder.

    Raises:
        Refusal: when there is none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
        found = json.loads(data) if len(data) <= largest else None
    except OSError as error:
        raise Refusal(f"'{path}' cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(f"'{path}' is no JSON object; write it again as timm does")
    return found


def _expect(promised: tuple[str, str | None], found: tuple[str, str | None]) -> str:
    for part, wanted, digest in zip(PARTS, promised, found, strict=True):
        if wanted != digest:
            raise Refusal(
                f"the {part} hashes to {(digest or 'nothing')[:12]}…, not to {(wanted or 'nothing')[:12]}…; pull the "
                "version again, to another folder"
            )
    return promised[0]


def _check(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what=what, verdict="ok", detail=look())
    except Refusal as refusal:
        return Check(what=what, verdict="wrong", detail=str(refusal))
