"""Versions: immutable entries of the shared model's history, identified by what they are and how they were made.

The id hashes weights, architecture, ordered parents, the rule with its parameters, and the receipt; so a changed
lineage has another id. A *combination* is the question whose answer is a combined version: like an
assignment it has a work id, and only the registry, which has all the bytes, answers it. `Combination.of` leads from the
version back to the question, for verify, audit, retraction and import alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast

from pydantic import AfterValidator, Field, JsonValue, PositiveInt, ValidationError

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import COMBINATION_REVISION
from ratatouille.record import Digest, Name, Record, canonical_json, first_problem
from ratatouille.weights.methods import MEAN, MOST_COUNTED, method_named

NONE_LEFT = "none of its parents is left"

Coefficient = Annotated[int, Field(ge=1, le=MOST_COUNTED)] | Annotated[float, Field(ge=-100, le=100)]
"""A count for means (never 1/3), a float for mixes."""


def _plain(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    canonical_json(values)  # refuses NaN and infinities
    return values


MethodName = Annotated[Name, Field(exclude_if=lambda name: name == MEAN)]
"""A row of `ratatouille.weights.methods.METHODS`, or one that only newer releases have. Left out of the record at
`mean`, so that what was made before there were methods keeps its id.
"""
Parameters = Annotated[dict[Name, JsonValue], AfterValidator(_plain), Field(exclude_if=lambda values: not values)]
"""The values of a method; left out of the record where it has none."""


class Parent(Record):
    """A version that another one was made from. Trainings start from parents with coefficient 1 each."""

    version: Digest
    coefficient: Coefficient = 1


RuleName = Literal["import", "probe", "fine_tune", "combine"]


class Rule(Record):
    """The kind of work that made a version; parameters of trainings are in the receipt's assignment."""

    name: RuleName
    revision: PositiveInt
    purpose: Name | None = None
    """Why versions were combined: `uniform`, `greedy`, `shared_head`, `fusing` …"""
    method: MethodName = MEAN
    """How versions were combined."""
    parameters: Parameters = Field(default_factory=dict)


class Version(Record):
    """An entry of the history."""

    featurizer: Digest
    head: Digest | None
    architecture: Digest
    task: Digest | None
    parents: tuple[Parent, ...]
    rule: Rule
    receipt: Digest | None

    @property
    def id(self) -> str:
        """Its name everywhere: the digest of this record."""
        return self.digest


class Combination(Record):
    """A question for the registry: these versions combined by a method, both parts or the featurizers only."""

    kind: Literal["combine"] = "combine"
    parents: Annotated[tuple[Parent, ...], Field(min_length=1, max_length=10_000)]
    parts: Literal["both", "featurizer"] = "both"
    purpose: Name = "uniform"
    method: MethodName = MEAN
    parameters: Parameters = Field(default_factory=dict)
    revision: int = COMBINATION_REVISION

    @classmethod
    def of(cls, version: Version) -> Combination:
        """The question that a combined version answers, whichever release made it.

        Raises:
            Refusal: for a version that was not combined.
        """
        rule = version.rule
        if rule.name != "combine":
            raise Refusal(f"version {version.id[:12]}… was not combined: its rule is {rule.name}")
        try:
            return cls(
                parents=version.parents,
                parts="featurizer" if version.head is None else "both",
                purpose=rule.purpose or "uniform",
                method=rule.method,
                parameters=rule.parameters,
                revision=rule.revision,
            )
        except ValidationError as error:
            raise Refusal(f"version {version.id[:12]}… is no combination: {first_problem(error)}") from error

    @property
    def work_id(self) -> str:
        """SHA-256 of this question."""
        return self.digest

    @property
    def rule(self) -> Rule:
        """The rule of the version that answers it."""
        return Rule(
            name="combine",
            revision=self.revision,
            purpose=self.purpose,
            method=self.method,
            parameters=self.parameters,
        )

    @property
    def authors(self) -> Sequence[str]:
        """The author of each parent, for the method in which each author counts once; else empty."""
        return cast(list[str], self.parameters["authors"]) if self.method == "balanced_mean" else ()

    def check(self) -> None:
        """Refuse a combination that this release cannot answer.

        Raises:
            Refusal: for a method that is not known, or coefficients or parameters that do not fit it.
        """
        method_named(self.method).check([parent.coefficient for parent in self.parents], self.parameters)

    def without(self, gone: Mapping[str, str | None]) -> Combination:
        """The same method over what remains: parents give way to what replaces them, or to nothing (None).

        Raises:
            Refusal: for a mix, a method that is not known, or when too little remains.
        """
        self.check()
        method = method_named(self.method)
        pairs = [(place, gone.get(parent.version, parent.version)) for place, parent in enumerate(self.parents)]
        left = [(place, version) for place, version in pairs if version is not None]
        coefficients, parameters = method.among(
            [place for place, _ in left], [parent.coefficient for parent in self.parents], self.parameters
        )
        if not left:
            raise Refusal(NONE_LEFT)
        parents = tuple(
            Parent(version=version, coefficient=coefficient)
            for (_, version), coefficient in zip(left, coefficients, strict=True)
        )
        found = Combination(
            parents=parents, parts=self.parts, purpose=self.purpose, method=self.method, parameters={**parameters}
        )
        found.check()
        return found
