"""Confusion matrices: how many images of each true class were taken for which class, in two forms that mean the same.

The *dense* form is a square of counts [classes, classes], rows are the true classes. The *sparse* form lists the
entries that are not zero; tasks of more than `SPARSE_ABOVE` classes use it, since a square of 21,841 classes has 477
million entries. A node may keep small entries to itself (`merged`): a matrix then has one column more, at the place
`classes`, which counts the images of a row that were taken for some other class, without saying which.

Everything that reads a matrix goes through the functions here, so that no reader depends on the form.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from ratatouille.record import Record, canonical_json

SPARSE_ABOVE = 256
"""A task of more classes than this is counted in the sparse form."""

Count = Annotated[int, Field(ge=0, le=2**40)]
"""A number of images or steps; bounded, so that sums and quotients of foreign counts stay numbers of a usual size."""

Entry = tuple[Count, Count, Annotated[int, Field(ge=1, le=2**40)]]
"""True class, predicted class (or the number of classes, for those that were merged), images."""

Dense = tuple[tuple[Count, ...], ...]


class Sparse(Record):
    """The entries of a matrix that are not zero, in the order of true class and predicted class."""

    classes: Annotated[int, Field(ge=1, le=2**31)]
    entries: tuple[Entry, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        places = [(true, taken) for true, taken, _ in self.entries]
        if any(first >= second for first, second in pairwise(places)):
            raise ValueError("the entries of a sparse matrix are in order, each once")
        if any(true >= self.classes or taken > self.classes for true, taken in places):
            raise ValueError(f"an entry of a sparse matrix is of a class beyond its {self.classes}")
        return self


def _form(value: Any) -> str:
    return "sparse" if isinstance(value, dict | Sparse) else "dense"


Confusion = Annotated[
    Annotated[Dense, Tag("dense")] | Annotated[Sparse, Tag("sparse")],
    Discriminator(_form),
]
"""A matrix in either form."""


def check(confusion: Confusion) -> None:
    """See that a dense matrix has as many columns as rows, or one more that is used.

    Raises:
        ValueError: saying what is wrong.
    """
    if isinstance(confusion, Sparse):
        return
    classes, widths = len(confusion), {len(row) for row in confusion}
    if widths - {classes, classes + 1} or len(widths) > 1:
        raise ValueError("a confusion matrix has as many columns as rows, or one more")
    if widths == {classes + 1} and not any(row[classes] for row in confusion):
        raise ValueError("the last column of a confusion matrix, for what is not told, is left out where it is empty")


def confusion_of(classes: int, entries: Iterable[tuple[int, int, int]]) -> Confusion:
    """The matrix of some entries (true class, predicted class, images); equal places are added up."""
    found: dict[tuple[int, int], int] = defaultdict(int)
    for true, taken, images in entries:
        found[true, taken] += images
    if classes > SPARSE_ABOVE:
        kept = tuple((true, taken, images) for (true, taken), images in sorted(found.items()) if images)
        return Sparse(classes=classes, entries=kept)
    width = classes + any(taken == classes and images for (_, taken), images in found.items())
    return tuple(tuple(found.get((true, taken), 0) for taken in range(width)) for true in range(classes))


def confusion_text(confusion: Confusion) -> str:
    """Canonical JSON of a matrix, as the registry keeps it beside its cell."""
    value = confusion.model_dump(mode="json") if isinstance(confusion, Sparse) else confusion
    return canonical_json(value).decode()


def known_confusion(text: str) -> Confusion:
    """The matrix of such a text, which was checked before it was kept and is not checked again."""
    value = json.loads(text)
    if isinstance(value, dict):
        return Sparse.model_construct(classes=value["classes"], entries=tuple(map(tuple, value["entries"])))
    return tuple(map(tuple, value))


def class_count(confusion: Confusion) -> int:
    """The number of classes."""
    return confusion.classes if isinstance(confusion, Sparse) else len(confusion)


def entries(confusion: Confusion) -> Iterator[tuple[int, int, int]]:
    """True class, predicted class (the number of classes, if merged) and images, of each entry that is not zero."""
    if isinstance(confusion, Sparse):
        yield from confusion.entries
        return
    for true, row in enumerate(confusion):
        for taken, images in enumerate(row):
            if images:
                yield true, taken, images


def by_class(confusion: Confusion) -> list[tuple[int, int]]:
    """For each class how many of its images are recognised, and how many there are."""
    if not isinstance(confusion, Sparse):
        return [(row[place], sum(row)) for place, row in enumerate(confusion)]
    correct, images = [0] * confusion.classes, [0] * confusion.classes
    for true, taken, count in confusion.entries:
        images[true] += count
        if true == taken:
            correct[true] = count
    return list(zip(correct, images, strict=True))


def totals(confusion: Confusion) -> tuple[int, int]:
    """How many images are recognised, and how many there are."""
    if not isinstance(confusion, Sparse):
        return sum(row[place] for place, row in enumerate(confusion)), sum(map(sum, confusion))
    return (
        sum(count for true, taken, count in confusion.entries if true == taken),
        sum(count for _, _, count in confusion.entries),
    )


def add(matrices: Sequence[Confusion]) -> Confusion:
    """One matrix of all counts, of one matrix or more over the same classes.

    Raises:
        ValueError: for matrices of different numbers of classes.
    """
    classes = {class_count(one) for one in matrices}
    if len(classes) != 1:
        raise ValueError(f"matrices of {sorted(classes)} classes cannot be added")
    if len(matrices) == 1:
        return matrices[0]
    return confusion_of(classes.pop(), (entry for one in matrices for entry in entries(one)))


def merged(confusion: Confusion, smallest: int) -> Confusion:
    """The matrix with every mistake that fewer than `smallest` images share moved into the last column.

    What a class has in all and how many of it are recognised stay exact, and so does every score. With two classes
    there is one kind of mistake in a row, so the move hides nothing; the matrix is left as it is.
    """
    classes = class_count(confusion)
    if classes < 3:
        return confusion
    return confusion_of(
        classes,
        (
            (true, taken if true == taken or images >= smallest else classes, images)
            for true, taken, images in entries(confusion)
        ),
    )
