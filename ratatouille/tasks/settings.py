"""Settings of a node's owner for data and work: a `[[data]]` table of node.toml, and its table `[limits]`.

A data table says where the images lie, how local labels and folders map to the task's classes and domains, and what to
do about corrupt files. Reading it needs no image library; reading the data is left to data.py. Limits are of a single
order.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from ratatouille.errors import Refusal
from ratatouille.record import Name, Record

LEAVE_OUT = ("", "-")
"""Mapping a label or a domain to one of these leaves its images out."""


class DataSettings(Record):
    """Where one's images are and what they are called.

    - `path`: a folder `class/*` or `domain/class/*`, or a CSV manifest; `format` decides, `auto` looks.
    - `labels`: local label → class of the task; the same name by default, "-" leaves the images out.
    - `domains`: local domain → domain of the task, or a list; if given, only the domains it names are used.
    - `domain`: the domain of all images, where folders or manifest name none (default: the folder's name).
    - `group`: what the split may not tear apart: "file" (each image alone), "stem" (files of one stem, such as one
      object in several domains), or a regular expression whose one parenthesis finds the group in the relative path.
    - `corrupt`: "refuse" names the file; "skip" leaves it out and lists it.
    - `contradictions`: "refuse" names copies of one image under different labels; "drop" leaves all of them out.
    - `missing_classes`: "refuse" unless every domain has every class of the task.
    - `fingerprint_secret_file`: a file with a secret that replicas of this data share (16 bytes or more).
    """

    path: Path
    format: Literal["auto", "folder", "manifest"] = "auto"
    labels: dict[str, str] = Field(default_factory=dict)
    domains: dict[str, str] = Field(default_factory=dict)
    domain: Name | None = None
    group: str = "file"
    corrupt: Literal["refuse", "skip"] = "refuse"
    missing_classes: Literal["refuse", "allow"] = "refuse"
    contradictions: Literal["refuse", "drop"] = "refuse"
    fingerprint_secret_file: Path | None = None

    @field_validator("domains", mode="before")
    @classmethod
    def _list_means_same_names(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        strange = next((name for name in value if not isinstance(name, str)), None)
        if strange is not None:
            raise PydanticCustomError("domains", "{value} is no name of a domain", {"value": str(strange)[:40]})
        return {name: name for name in value}

    @field_validator("group")
    @classmethod
    def _one_parenthesis(cls, group: str) -> str:
        if group in ("file", "stem"):
            return group
        advice = 'use "file", "stem" or a regular expression with one group, such as \'^(patient[0-9]+)/\''
        try:
            groups = re.compile(group).groups
        except re.error as error:
            raise PydanticCustomError(
                "group",
                "'{group}' is not a regular expression ({why}); {advice}",
                {"group": group, "why": str(error), "advice": advice},
            ) from error
        if groups != 1:
            raise PydanticCustomError(
                "group", "'{group}' has {n} groups; {advice}", {"group": group, "n": groups, "advice": advice}
            )
        return group

    def secret(self) -> bytes | None:
        """The shared secret, without a final line end; None if no file is named.

        Raises:
            Refusal: if the file cannot be read or holds fewer than 16 bytes.
        """
        if self.fingerprint_secret_file is None:
            return None
        try:
            secret = self.fingerprint_secret_file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise Refusal(
                f"the fingerprint secret '{self.fingerprint_secret_file}' cannot be read: {error.strerror}",
                code="secret-unreadable",
            ) from error
        if len(secret) < 16:
            raise Refusal(
                f"the fingerprint secret '{self.fingerprint_secret_file}' has only {len(secret)} bytes; "
                f"use 16 random bytes or more",
                code="secret-unreadable",
            )
        return secret


class Limits(Record):
    """The most that one piece of work may ask for. The defaults leave room for every protocol of the paper."""

    image_size: Annotated[int, Field(ge=1)] = 1024
    """Pixels of a side."""
    images_per_step: Annotated[int, Field(ge=1)] = 2048
    """Images of a training step, of all its domains together."""
    megapixels_per_step: Annotated[int, Field(ge=1)] = 512
    """Millions of pixels of a training step, which are in memory at one time."""
    steps: Annotated[int, Field(ge=1)] = 100_000
    """Steps of a training, or of the solver of a linear probe."""
    evaluations: Annotated[int, Field(ge=1)] = 10_000
    """How often a training looks at its validation images."""
    networks: Annotated[int, Field(ge=1)] = 1000
    """Networks of a comparison, and the parts that each of them is mixed from."""
    cells: Annotated[int, Field(ge=1)] = 1000
    """Tables of counts (domain, split, slice) for each network."""
    decoded_gigabytes: Annotated[int, Field(ge=1)] = 100
    """Decoded images that the node would keep on its disk for an order: images × pixels × 3 bytes."""


def node_template() -> bytes:
    """A node.toml with comments, to be filled in."""
    return files(__package__).joinpath("node.toml").read_bytes()
