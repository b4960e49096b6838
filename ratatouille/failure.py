"""Failures: why a node could not do its work, as a code of one closed list with numbers.

A sentence about a failure may name files, folders and people, so it stays on the node. What leaves the node is a
`Failure`: a code and counts, and no field that takes free text. The receiver makes the sentence for people from this
table. Errors for people carry their code from where they are raised (`errors.RatatouilleError`).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ratatouille.errors import UPGRADE, RatatouilleError
from ratatouille.record import Record

Fault = Literal["data", "node", "question", "passing"]
"""Whose fault it is. `data`: the node's images of one holding; `node`: the whole node; `question`: the work cannot be
done there; `passing`: the next attempt may go well.
"""

Parameter = Literal["images", "classes", "label", "domain", "line", "pixels", "limit", "size", "attempts", "number"]
"""What is counted. `label` and `domain` are places in the task's lists, from 0; `size` is pixels of a side."""


@dataclass(frozen=True)
class Kind:
    """A row of the table: the sentence for people, whose fault it is, what may be counted, and what to do."""

    sentence: str
    fault: Fault
    parameters: tuple[Parameter, ...] = ()
    remedy: str = ""


_UPGRADE = f"upgrade the older side with '{UPGRADE}'"

KINDS: dict[str, Kind] = {
    # images
    "image-missing": Kind("an image is not there any more", "data", ("images",)),
    "image-unreadable": Kind("an image file cannot be opened", "data", ("images",)),
    "image-damaged": Kind("an image is damaged or cut off", "data", ("images",)),
    "image-unknown-format": Kind("a file that should be an image is none", "data", ("images",)),
    "image-too-large": Kind("an image has more pixels than are safe to unpack", "data", ("images", "pixels", "limit")),
    "image-depth": Kind("an image has channels of 32 bits", "data", ("images",)),
    "images-changed": Kind("images changed since the node read them", "data", ("images",)),
    "data-changed": Kind("the data is not the data any more that the node offered", "data", ("images",)),
    # folders and manifests
    "folder-missing": Kind("the folder of the data is not there", "data"),
    "folder-unreadable": Kind("a folder of the data cannot be read", "data"),
    "folder-empty": Kind("the folder of the data holds no images", "data"),
    "folder-layout": Kind("the folder of the data is not laid out as class folders", "data"),
    "folder-entry": Kind("the folder of the data holds a file or link that cannot be used", "data"),
    "manifest-missing": Kind("the manifest of the data is not there", "data"),
    "manifest-unreadable": Kind("the manifest of the data cannot be read", "data"),
    "manifest-format": Kind("the manifest of the data is no CSV in UTF-8", "data"),
    "manifest-empty": Kind("the manifest of the data lists no images", "data"),
    "manifest-column": Kind("the manifest of the data lacks a column, or has one twice", "data"),
    "manifest-line": Kind("a line of the manifest cannot be used", "data", ("line",)),
    "manifest-twice": Kind("the manifest lists an image more than once", "data", ("images",)),
    # what the data means
    "label-unknown": Kind("the data has labels that are no class of the task", "data", ("classes",)),
    "label-several": Kind("the data has several labels for one image", "data", ("images",)),
    "label-mapping": Kind("the node maps a label to what is no class of the task", "data"),
    "labels-contradict": Kind("one image has two labels", "data", ("images",)),
    "domain-unknown": Kind("the data has a domain that the task does not have", "data"),
    "domain-mapping": Kind("the node's settings and its data name domains that do not fit together", "data"),
    "class-missing": Kind("a domain of the data lacks a class", "data", ("label", "domain", "classes")),
    "group-unknown": Kind("the rule for groups finds no group in a file name", "data"),
    "group-torn": Kind("a group of the data lies on two sides of the split", "data"),
    "data-empty": Kind("no image is left after labels and domains were mapped", "data"),
    "data-twice": Kind("the node names the same images twice", "data"),
    "secret-unreadable": Kind("the secret of the data's fingerprint cannot be used", "data"),
    "data-not-held": Kind("the node does not hold that data, or not any more", "question"),
    # the node
    "device-missing": Kind("the device that the node is set to is not there", "node"),
    "device-failed": Kind("the device of the node failed", "node"),
    "disk-full": Kind("the disk of the node cannot be written", "node"),
    "cache-unreadable": Kind("a cache of the node cannot be read back", "node"),
    "memory-short": Kind("the memory of the node is too small for the work", "passing"),
    "time-short": Kind("the node leaves before the work could be saved", "passing"),
    "settings-unusable": Kind("the settings of the node cannot be used any more", "node"),
    "worker-absent": Kind("the worker process of the node does not answer", "passing"),
    "worker-died": Kind("the worker process of the node ended over the work", "passing", ("attempts",)),
    "foreign-bundle": Kind(
        "the node runs only the program that its owner installed, and this run is another", "node", remedy=_UPGRADE
    ),
    "evaluates-only": Kind("the node evaluates and does not train", "question"),
    # the work
    "image-size": Kind("the network cannot take images of this size", "question", ("size",)),
    "network-unknown": Kind("the node's software does not know the network", "question"),
    "network-differs": Kind("the node's software builds the network with other tensors", "question"),
    "weights-unusable": Kind("the weights to start from cannot be used", "question"),
    "training-diverged": Kind("the training diverged", "question"),
    "data-too-small": Kind("the data is too small for the work", "question", ("images", "label", "domain")),
    "order-unusable": Kind("the order is about another task, network or data than the node has", "question"),
    "head-imported": Kind("the node counts with heads that nodes made, and this one was imported", "question"),
    "budget-used-up": Kind("the node has counted as many networks on its data as its owner allows", "question"),
    "order-too-large": Kind("the order asks for more than the node's owner allows", "question", ("limit", "number")),
    "question-closed": Kind("the node's owner withdrew its answer and closed the question", "question"),
    "own-review": Kind("the version under review is the member's own, and another member can count it", "passing"),
    "order-foreign": Kind("the order is not signed by the coordinator that the registry announces", "passing"),
    "round-not-running": Kind("the order is for a round that does not run in the registry", "passing"),
    "other-release": Kind("the order asks for another release of the software", "question", ("number",), _UPGRADE),
    "registry-unreachable": Kind("the node did not reach the registry", "passing"),
    "refused": Kind("the node refused the work; its own log says why", "question"),
    "unexpected": Kind("an error in the node's software; its own log says which", "passing"),
    # the way
    "flower": Kind("the work lane lost the order", "passing", ("number",)),
    "unreadable": Kind("the node's answer cannot be read", "passing"),
}
"""Every failure that a node may report. A code is never given another meaning."""

_LONGEST = 2000
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)

LARGEST_COUNT = 2**53 - 1
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]


class Failure(Record):
    """A failure, as it may be known elsewhere: a code of `KINDS`, and numbers."""

    code: Annotated[str, Field(max_length=40)]
    counts: Annotated[dict[Parameter, Count], Field(max_length=8, exclude_if=lambda counts: not counts)] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _is_in_the_table(self) -> Failure:
        kind = KINDS.get(self.code)
        if kind is None or not set(self.counts) <= set(kind.parameters):
            raise ValueError("no failure of the list")
        return self

    @property
    def fault(self) -> Fault:
        """Whose fault it is."""
        return KINDS[self.code].fault

    def sentence(self, label: str | None = None, domain: str | None = None) -> str:
        """The clause for people; `label` and `domain` are the names that the reader's definition of the task has."""
        clause, remedy = KINDS[self.code].sentence, KINDS[self.code].remedy
        names = {"label": f"class {label}" if label else "", "domain": f"domain {domain}" if domain else ""}
        details = [names.get(name) or _detail(name, count) for name, count in self.counts.items()]
        clause = f"{clause} ({', '.join(details)})" if details else clause
        return f"{clause}; {remedy}" if remedy else clause


def _detail(name: str, count: int) -> str:
    if name in ("images", "pixels", "attempts", "classes"):
        return f"{count} {name}"
    return f"{'class' if name == 'label' else name} {count}"


UNREADABLE = Failure(code="unreadable")


def failure_of(error: BaseException) -> Failure:
    """What may leave of an error: nothing of its words."""
    if not isinstance(error, RatatouilleError):
        return Failure(code=_plain(error))
    try:
        return Failure.model_validate({"code": error.code, "counts": error.counts})
    except ValueError:  # a code that is in no table is a defect of ours; the words stay here all the same
        return Failure(code="refused")


def parsed(data: bytes | str) -> Failure:
    """A failure that a peer sent; `unreadable` for anything else, of which nothing is kept."""
    if len(data) > _LONGEST:
        return UNREADABLE
    try:
        return Failure.model_validate_json(data)
    except ValueError:
        return UNREADABLE


def _plain(error: BaseException) -> str:
    """The code of an error that has no code of its own."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's own
        return "memory-short"
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return "disk-full"
    if type(error).__name__ == "AcceleratorError" or "CUDA error" in str(error):
        return "device-failed"
    return "unexpected"
