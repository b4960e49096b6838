"""Entering a checkpoint that was trained elsewhere: taken apart, encoded anew, and pushed as a signed import.

The registry checks what it checks of every push: names, shapes, finite values, and buffers equal to the ancestor's.
Where the checkpoint came from is stated by the signer, not proved. Needs no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.folders import write_whole
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, stream
from ratatouille.weights.compatibility import refuse_another_function, refuse_another_network
from ratatouille.weights.configuration import CONFIG, Configuration, order_of, read_configuration
from ratatouille.weights.container import PICKLES, Container, pickled, take_off
from ratatouille.weights.whole import Whole, take_apart
from ratatouille.wording import number_of
from registry.exports.folders.pulled import STATEMENT, WEIGHTS, read_json, read_pulled
from registry.presentation.lineage import trained_size
from registry.records import Result
from registry.services.registry import Registry
from registry.services.weights import Progress

LONGEST_NOTE = 500


@dataclass(frozen=True)
class Parts:
    """A checkpoint in the registry's form, encoded into files by digest, and the question that its import answers."""

    question: Import
    parent: str
    files: Mapping[str, Path]
    classifier: str | None
    """Name of the head in the checkpoint; None for a featurizer alone."""
    permuted: bool
    """Whether its outputs were brought into the task's order."""
    notes: tuple[str, ...]
    """Notes for the person who pushes."""
    whole: Whole
    """The checkpoint itself, under the network's own names."""
    said: Configuration
    size: int
    """Pixels of a side of the images that it is used with."""

    def receipt(self, signer: Signer, message: str = "") -> Receipt:
        """The receipt of this import; raises as `refuse_long` does."""
        refuse_long(message)
        return Receipt(
            assignment=self.question,
            parents=(self.parent,),
            node=signer.node,
            featurizer=self.question.featurizer,
            head=self.question.head,
            note=message,
        )


def read_checkpoint(registry: Registry, path: Path, start: str, task: Task | None, folder: Path) -> Parts:
    """Read a checkpoint and encode its parts.

    Args:
        registry: knows the start.
        path: a safetensors file with timm's names, or a folder with `model.safetensors` and `config.json`.
        start: the revision that it was trained from; it says which architecture the weights are of.
        task: what its head answers; None for a featurizer alone.
        folder: where the encoded parts go.

    Raises:
        Refusal: pickles, weights of another network or another function, other classes or another number of them, other
            types of numbers.
    """
    details = registry.versions.show(start)
    entry = details.entry
    architecture = registry.definitions.architecture(entry.version.architecture)
    size = trained_size(registry, details) or architecture.input_size
    saved = find_checkpoint(path)
    refuse_another_network(saved.said, architecture)
    container, prefix = take_off(Container(saved.weights), architecture)
    whole = take_apart(container, architecture)
    refuse_another_function(saved.said, architecture, size, whole.classes)
    notes = saved.notes(size)
    if prefix:
        notes.append(f"{prefix!r} was taken off the names of the tensors")
    head, permuted = None, False
    order = _order(saved, whole, task, notes)
    if order is not None:
        permuted = order != sorted(order)
        arrays = {name: array[order] for name, array in whole.head().items()}
        head = _encode(folder, architecture.head(whole.classes), arrays)
    featurizer = _encode(folder, architecture.featurizer, whole.container)
    _refuse_pull_of_retracted(registry, saved.weights.parent, featurizer, head)
    files = {digest: folder / digest for digest in (featurizer, head) if digest is not None}
    question = Import(
        architecture=architecture.digest,
        featurizer=featurizer,
        task=task.digest if task else None,
        head=head,
        source=f"trained elsewhere from version {entry.id}",
    )
    classifier = whole.classifier.name if whole.classifier else None
    return Parts(question, entry.id, files, classifier, permuted, tuple(notes), whole, saved.said, size)


def _refuse_pull_of_retracted(registry: Registry, folder: Path, featurizer: str, head: str | None) -> None:
    """Refuse a pulled folder that still holds the weights of a version that was taken back; the registry sees digests.

    Raises:
        Refusal: naming the version, who took it back, and why.
    """
    if not (folder / STATEMENT).is_file():
        return
    pulled = read_pulled(folder).statement.version
    if featurizer != pulled.featurizer:  # it was trained since
        return
    try:
        details = registry.versions.show(pulled.id)
    except Refusal:  # a version of another registry
        return
    back = details.taken_back
    if details.entry.state == "retracted" and back is not None:
        who = back.author or f"{back.node[:12]}…"
        raise Refusal(
            f"'{folder}' is a pull of version {pulled.id[:12]}…, which {who} took back ({back.message}), and its "
            f"{'weights are' if head == pulled.head else 'featurizer is'} unchanged; train again from a version that "
            "stands"
        )


def refuse_long(message: str) -> None:
    """Refuse a message that does not fit a receipt."""
    if len(message) > LONGEST_NOTE:
        raise Refusal(f"the message has {len(message)} characters; {LONGEST_NOTE} are the most")


def push_parts(
    registry: Registry, signer: Signer, parts: Parts, message: str = "", progress: Progress | None = None
) -> tuple[Result, bool]:
    """Sign and push; returns the result, and whether it is new. Pushing again changes nothing.

    Raises:
        Refusal: what the registry refuses.
    """
    receipt = parts.receipt(signer, message)
    known = registry.work.results([receipt.work_id])
    return registry.weights.push(signer.seal(receipt), parts.files, progress), receipt.work_id not in known


def _order(saved: Checkpoint, whole: Whole, task: Task | None, notes: list[str]) -> list[int] | None:
    """Which output is each of the task's classes; None for a featurizer alone. What is only assumed is noted."""
    name = saved.weights.name
    if whole.classifier is None:
        if task is not None:
            raise Refusal(f"'{name}' has no classifier for task {task.name}; without --task it is a featurizer alone")
        return None
    if task is None:
        raise Refusal(
            f"'{name}' has a classifier for {number_of(whole.classes, 'class', 'classes')}; say with --task of which "
            "task"
        )
    if whole.classes != len(task.classes):
        raise Refusal(
            f"{whole.classifier.name} of '{name}' tells {whole.classes} classes apart, and task {task.name} has "
            f"{len(task.classes)}; train it for the task's classes"
        )
    order = saved.order(task)
    if order is None:
        order = list(range(whole.classes))
        first = ", ".join(task.classes[:5]) + (" …" if whole.classes > 5 else "")
        notes.append(f"the checkpoint does not name its outputs; they are taken to be in the task's order: {first}")
    return order


def _encode(folder: Path, tensors: Sequence[Tensor], arrays: Mapping[str, Array]) -> str:
    """Write the canonical file of a part under its digest, a tensor at a time; returns the digest."""
    sha = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for chunk in stream(tensors, arrays):
            sha.update(chunk)
            yield chunk

    unnamed = folder / "part"
    write_whole(unnamed, hashed())
    unnamed.rename(folder / sha.hexdigest())
    return sha.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found; its weights were not opened yet."""

    weights: Path
    said: Configuration
    """Empty where there is no config.json."""

    def order(self, task: Task) -> list[int] | None:
        """Which output is each of the task's classes; None where the checkpoint does not name its outputs.

        Raises:
            Refusal: when the names are other ones than the task's.
        """
        return None if self.said.names is None else order_of(self.said.names, task.classes, task.name)

    def notes(self, size: int) -> list[str]:
        """Sentences about assumptions: on the network, and on its images of `size` pixels."""
        notes = []
        if self.said.images is None:
            notes.append("the checkpoint does not say how its images were made; they are taken to be the federation's")
        notes.extend(
            f"{CONFIG} recommends {key} = {value}; the federation evaluates whole images of {size} pixels"
            for key, value in (self.said.recommended or {}).items()
        )
        return notes


def find_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a folder, or in a file; a file called `model.safetensors` may have its config beside it.

    Raises:
        Refusal: when there is none, or only pickles.
    """
    weights = _in_folder(path) if path.is_dir() else path
    beside = weights.parent / CONFIG
    # a file of another name may be one of many in its folder, and the config that of another one
    if (path.is_dir() or weights.name == WEIGHTS) and beside.is_file():
        return Checkpoint(weights, read_configuration(read_json(beside)))
    return Checkpoint(weights, Configuration())


def _in_folder(folder: Path) -> Path:
    if (folder / WEIGHTS).is_file():
        return folder / WEIGHTS
    files = sorted(folder.iterdir())
    found = [path for path in files if path.suffix == ".safetensors"]
    if len(found) == 1:
        return found[0]
    pickles = [path for path in files if path.suffix.lower() in PICKLES]
    if pickles and not found:
        raise pickled(pickles[0])
    raise Refusal(f"'{folder}' has no {WEIGHTS}; save the weights as one file of that name, or name the file")
