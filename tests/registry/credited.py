"""A small federation whose average is credited: anna with two nodes, ben with a key of his own, and who holds what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ratatouille.exchange.assignment import Compare
from ratatouille.exchange.membership import Stock
from ratatouille.exchange.receipt import Comparison, Evaluation, Pair, Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from ratatouille.record import sha256
from registry.records import Obligation, Result
from tests.registry.person import Person
from tests.registry.world import STOCK, World

IMAGES = 100
ATTIC, CELLAR, BEN, HOLDER = (Signer.of_seed(letter * 32) for letter in (b"a", b"c", b"b", b"h"))
_SKETCHES = sha256(b"sketches that nobody trains on")
SKETCHES = Stock(
    STOCK.holding.model_copy(update={"fingerprint": _SKETCHES, "counts": {"sketch": STOCK.holding.counts["sketch"]}}),
    bytes.fromhex(_SKETCHES),
)
"""What the holder offers; the others train on photos of `STOCK`."""
Right = Callable[[int, str], range]
"""The images of a domain that network number so-and-so of a comparison recognises."""


class Federation:
    """Members, their trainings, and an average of these."""

    def __init__(self, world: World, method: str = "mean", **parameters: Any) -> None:
        self.world = world
        owner, anna = Person(world.registry, 1, "olga"), Person(world.registry, 2, "anna")
        anna.joined(owner)
        anna.add_node(ATTIC, "attic")
        anna.add_node(CELLAR, "cellar")
        self.anna, self.ben = anna.key, BEN.node
        start = world.probed()
        self.runs = [self.at(node).tuned(start, seed) for seed, node in enumerate((ATTIC, CELLAR, BEN), 1)]
        self.average = self.combined(self.runs, method, **parameters)
        for node in (ATTIC, CELLAR, BEN):
            self.at(node).offer(STOCK, name=f"node-{node.node[:4]}")

    def at(self, signer: Signer) -> World:
        """The same registry for another node."""
        return World(self.world.registry, self.world.folder, signer)

    def combined(
        self, runs: Sequence[Result], method: str = "mean", counts: Sequence[int] = (), **values: Any
    ) -> Result:
        """Versions combined in the registry."""
        parents = tuple(
            Parent(version=str(one.version), coefficient=count)
            for one, count in zip(runs, counts or [1] * len(runs), strict=True)
        )
        return self.world.registry.work.combine(Combination(parents=parents, method=method, parameters=values))

    def ask(self, average: Result | None = None) -> list[Obligation]:
        """Enter what is missing; returns what is open."""
        return self.world.registry.work.owe_credit(str((average or self.average).version), 8)

    def answer(self, owed: Obligation, signer: Signer, right: Right) -> Result:
        """The counts of one comparison, pushed by a node."""
        work = owed.order.assignment
        assert isinstance(work, Compare)
        return self.at(signer).work(Receipt(assignment=work, node=signer.node, comparison=counted(work, right)), {})


def counted(work: Compare, right: Right) -> Comparison:
    """The counts of networks that recognise these of a hundred images of each domain."""
    size = len(work.networks)
    rows = []
    for place in range(size):
        hits = [len(right(place, cell.domain)) for cell in work.cells]
        rows.append(
            tuple(
                Evaluation(cell=cell, confusion=((hit, IMAGES - hit), (0, 0)))
                for cell, hit in zip(work.cells, hits, strict=True)
            )
        )
    pairs = []
    for cell in work.cells:
        for first in range(size):
            for second in range(first + 1, size):
                one, other = set(right(first, cell.domain)), set(right(second, cell.domain))
                pairs.append(
                    Pair(
                        cell=cell,
                        first=first,
                        second=second,
                        both=len(one & other),
                        only_first=len(one - other),
                        only_second=len(other - one),
                        neither=IMAGES - len(one | other),
                    )
                )
    return Comparison(networks=tuple(rows), pairs=tuple(pairs))
