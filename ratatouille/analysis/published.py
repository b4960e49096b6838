"""Published results on DomainBed's data sets: out-of-distribution accuracy in %, ResNet-50 (docs/method.md §5).

Mean over held-out domains and trials. Rows are ours, columns the names of `tasks.domainbed`. Fusing is left out where
its row equals that of greedy soups on three data sets, which looks like a slip (docs/method.md §6.8).
"""

from __future__ import annotations

DATA_SETS = ("pacs", "vlcs", "office-home", "terra-incognita", "domain-net")

PUBLISHED: dict[str, tuple[float | None, ...]] = {
    "vanilla": (85.9, 78.1, 69.4, 50.4, 44.3),
    "moving_average": (87.5, 78.2, 70.6, 50.3, 46.0),
    "swad": (88.1, 79.1, 70.6, 50.0, 46.5),
    "ensemble": (88.1, 78.5, 71.7, 50.8, None),
    "soup": (88.7, 78.4, 72.1, 51.4, 47.4),
    "greedy_soup": (88.0, 78.5, 71.5, 51.6, 47.7),
    "inter_training": (89.0, 77.7, 69.9, 46.7, 44.5),
    "fusing": (None, None, None, 46.7, 44.4),
    "ratatouille": (89.5, 78.5, 73.1, 51.8, 47.5),
    "greedy_ratatouille": (90.5, 78.7, 73.4, 49.2, 47.7),
}
"""One recipe: a number for each of `DATA_SETS`, None where none was published."""


def published(recipe: str, data_set: str) -> float | None:
    """The published number of a recipe on a data set, in %; None where there is none."""
    if recipe not in PUBLISHED or data_set not in DATA_SETS:
        return None
    return PUBLISHED[recipe][DATA_SETS.index(data_set)]
