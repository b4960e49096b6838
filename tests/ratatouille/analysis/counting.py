"""Comparisons made from which images each network gets right, as a node would count them."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Comparison, Evaluation, Pair
from ratatouille.recipes.counting import SideCounts

Right = NDArray[np.bool_]


def evaluation(domain: str, right: int, images: int) -> Evaluation:
    return Evaluation(cell=Cell(domain=domain, split="all"), confusion=((right, images - right), (0, 0)))


def comparison(*domains: tuple[str, Right]) -> Comparison:
    """From matrices [networks, images] of what is right, one for each domain."""
    networks = len(domains[0][1])
    return Comparison(
        networks=tuple(
            tuple(evaluation(name, int(right[network].sum()), right.shape[1]) for name, right in domains)
            for network in range(networks)
        ),
        pairs=tuple(
            Pair(
                cell=Cell(domain=name, split="all"),
                first=i,
                second=j,
                both=int((right[i] & right[j]).sum()),
                only_first=int((right[i] & ~right[j]).sum()),
                only_second=int((~right[i] & right[j]).sum()),
                neither=int((~right[i] & ~right[j]).sum()),
            )
            for name, right in domains
            for i, j in combinations(range(networks), 2)
        ),
    )


def counted(*domains: tuple[str, Right]) -> SideCounts:
    return SideCounts((comparison(*domains),))


def rights(rows: Sequence[str]) -> Right:
    """`["110", "011"]`: two networks on three images."""
    return np.array([[sign == "1" for sign in row] for row in rows])
