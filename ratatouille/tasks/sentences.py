"""Sentences that folders and manifests both say to an owner whose data cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.tasks.formats import readable, unread


def several_labels(where: str) -> Refusal:
    """The sentence for multi-label data."""
    return Refusal(
        f"{where} names several classes for one image; a task gives each image exactly one, "
        f"so choose one or leave it out",
        code="label-several",
    )


def refuse_duplicates(labels: Mapping[str, set[str]], counts: Counter[str], where: Path) -> None:
    """Refuse files that a manifest lists more than once; two labels for one file are multi-label data."""
    for file, names in labels.items():
        if len(names) > 1:
            raise several_labels(f"'{where}' lists '{file}' as {listed(sorted(names))}, so it")
        if counts[file] > 1:
            raise Refusal(f"'{where}' lists '{file}' {counts[file]} times; list each image once", code="manifest-twice")


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names for a sentence: quoted, and not more than a screen can hold."""
    text = ", ".join(f"'{name}'" for name in names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"


def no_images(path: Path, suffixes: Counter[str]) -> Refusal:
    """The sentence for a place that holds no image."""
    if not suffixes:
        return Refusal(
            f"'{path}' holds no files; put images in one folder for each class: class/*.png or domain/class/*.png",
            code="folder-empty",
        )
    if cannot := unread(suffixes):
        return Refusal(f"'{path}' holds no images that can be used: {cannot}", code="folder-empty")
    found = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in suffixes.most_common(3))
    return Refusal(
        f"'{path}' holds no images (found {found}); tasks classify images, in files named {', '.join(readable())}",
        code="folder-empty",
    )


def leads_outside(path: Path, folder: Path) -> Refusal:
    """The sentence for a link that leads out of the owner's folder."""
    return Refusal(
        f"'{path}' links to something outside '{folder}'; links are followed only inside it, so copy the file there",
        code="folder-entry",
    )
