"""Methods of combining versions: a row of METHODS has the arithmetic, its conditions, and what holds without a member.

Arithmetic works element by element on flat float32 arrays, which come in the ascending order of their files' digests.
Sums are float64 in a fixed order and rounded once, so every machine gives the same bits. Memory: each method takes
blocks of a few thousand elements of all arrays, and shorter blocks of more arrays. numpy is imported where it computes:
commands that read a history need the names only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ratatouille.errors import Refusal

if TYPE_CHECKING:
    from ratatouille.weights.canonical import Array

BLOCK = 128 * 1024
"""Elements that one call of numpy takes: few enough for the cache, many enough that the calls cost nothing."""
SORTED = 512 * 1024
"""Elements of all arrays together that are sorted at once."""
MOST_COUNTED = 10**6
"""The largest count of a parent."""

Coefficient = int | float
Parameters = Mapping[str, Any]
"""The values of a method, as JSON has them."""
NO_PARAMETERS: Parameters = {}
LONGEST_AUTHOR = 80
"""Characters of an author: a key, or the version of who is not known."""
MEAN = "mean"
MIX = "it is a mix with chosen coefficients, which means nothing without one of its parts"
"""Why a mix is not made again without a retracted member."""


@dataclass(frozen=True)
class Method:
    """A way to combine members."""

    summary: str
    reduce: Callable[[Sequence[Array], Sequence[Coefficient], Parameters], Array]
    """One array of several of equal length, which are in the ascending order of their files' digests."""
    check: Callable[[Sequence[Coefficient], Parameters], None]
    """Refuses coefficients and parameters that the method does not take."""
    among: Callable[[Sequence[int], Sequence[Coefficient], Parameters], tuple[Sequence[Coefficient], Parameters]]
    """Coefficients and parameters for the members that remain when others were retracted: of their places, all
    coefficients and all parameters.
    """
    linear: bool
    """Whether it is the weighted mean, so that a node can make the same bits of parts and coefficients (`Mixture`)."""


def method_named(name: str) -> Method:
    """The row with this name.

    Raises:
        Refusal: when this release has none: newer software made the combination.
    """
    if name not in METHODS:
        raise Refusal(
            f"the method {name!r} of combining is not known to this release, which has {', '.join(METHODS)}; "
            "a newer release made it, so upgrade"
        )
    return METHODS[name]


# -- the weighted mean


def weighted_mean(arrays: Sequence[Array], coefficients: Sequence[Coefficient], _: Parameters = NO_PARAMETERS) -> Array:
    """Σ cᵢ·θᵢ / Σ cᵢ of flat float32 arrays: summed in float64, block by block, rounded once.

    Raises:
        Refusal: when the result is too large for float32.
    """
    import numpy as np

    divisor = math.fsum(coefficients)
    mean = np.empty(len(arrays[0]), "<f4")
    sums, terms = np.empty((2, min(BLOCK, len(mean))))
    for start in range(0, len(mean), BLOCK):
        rounded = mean[start : start + BLOCK]
        total, term = sums[: len(rounded)], terms[: len(rounded)]
        for i, (array, coefficient) in enumerate(zip(arrays, coefficients, strict=True)):
            wide = term if i else total
            wide[:] = array[start : start + BLOCK]  # twice as fast as arithmetic on mixed types
            if coefficient != 1:
                wide *= coefficient
            if i:
                total += term
        if divisor != 1:
            total /= divisor
        try:
            with np.errstate(over="raise"):
                rounded[:] = total
        except FloatingPointError as error:
            raise Refusal("the result is too large for float32; choose smaller coefficients") from error
    return mean


def _check_mean(coefficients: Sequence[Coefficient], parameters: Parameters) -> None:
    _refuse_other_parameters(MEAN, parameters, ())


def _same_counts(
    left: Sequence[int], coefficients: Sequence[Coefficient], parameters: Parameters
) -> tuple[Sequence[Coefficient], Parameters]:
    if any(isinstance(coefficient, float) for coefficient in coefficients):
        raise Refusal(MIX)
    return [coefficients[place] for place in left], parameters


# -- the trimmed mean


def cut_of(count: int, share: float) -> int:
    """How many of so many values are cut off at each end: ⌊share · count⌋, the share read as the decimal that it is.

    Raises:
        Refusal: when nothing remains.
    """
    cut = math.floor(Fraction(str(share)) * count)
    if count <= 2 * cut:
        raise Refusal(
            f"a trimmed mean of {count} that cuts off {share:g} at each end leaves none; lower `trimmed_share`, or "
            "combine more"
        )
    return cut


def trimmed_mean(arrays: Sequence[Array], coefficients: Sequence[Coefficient], parameters: Parameters) -> Array:
    """At each element the mean of the values without the k lowest and the k highest, k = ⌊share · N⌋.

    Values are ordered by the integers that their bits are, where −0 is before 0: the same order on every machine. What
    remains is summed from the lowest up. k = 0 is the mean, bit for bit. Source: Yin et al. 2018, option II.
    """
    import numpy as np

    cut = cut_of(len(arrays), parameters["share"])
    if not cut:
        return weighted_mean(arrays, coefficients)
    result = np.empty(len(arrays[0]), "<f4")
    length = min(len(result), max(1, SORTED // len(arrays)))
    table = np.empty((len(arrays), length), np.int32)
    total = np.empty(length)
    for start in range(0, len(result), length):
        rounded = result[start : start + length]
        rows, sums = table[:, : len(rounded)], total[: len(rounded)]
        for row, array in zip(rows, arrays, strict=True):
            row[:] = array[start : start + length].view(np.dtype("<i4"))
            _flip_order(row)
        rows.sort(axis=0)
        kept = rows[cut : len(rows) - cut]
        for place, row in enumerate(kept):
            _flip_order(row)
            if place:
                sums += row.view(np.float32)
            else:
                sums[:] = row.view(np.float32)
        sums /= len(kept)
        rounded[:] = sums
    return result


def _flip_order(bits: Array) -> None:
    """Flip bits of negative floats, in place, so that integers have the order of the floats; twice changes nothing."""
    bits ^= (bits >> 31) & 0x7FFFFFFF


def _check_trimmed(coefficients: Sequence[Coefficient], parameters: Parameters) -> None:
    _refuse_other_parameters("trimmed_mean", parameters, ("share",))
    share = parameters["share"]
    if not isinstance(share, float) or not 0 <= share <= 0.5:
        raise Refusal(f"a trimmed mean cuts off a share from 0.0 to 0.5 at each end, not {repr(share)[:40]}")
    if any(coefficient != 1 or isinstance(coefficient, float) for coefficient in coefficients):
        raise Refusal("a trimmed mean counts every parent once; give no other coefficients")
    cut_of(len(coefficients), share)


# -- the balanced mean


def balanced_counts(authors: Sequence[str]) -> list[int]:
    """Counts that give every author the same share, however many members are theirs: the least whole numbers.

    Raises:
        Refusal: when a count would be too large for a record.
    """
    members = Counter(authors)
    whole = math.lcm(*members.values())
    counts = [whole // members[author] for author in authors]
    if max(counts, default=1) > MOST_COUNTED:
        numbers = ", ".join(map(str, sorted(set(members.values()))))
        raise Refusal(
            f"contributors of {numbers} members cannot count once each with counts below {MOST_COUNTED}; combine fewer"
        )
    return counts


def _check_balanced(coefficients: Sequence[Coefficient], parameters: Parameters) -> None:
    _refuse_other_parameters("balanced_mean", parameters, ("authors",))
    authors = parameters["authors"]
    if not isinstance(authors, list) or not all(map(_is_author, authors)):
        raise Refusal(f"a balanced mean needs the list of its parents' authors, each of 1 to {LONGEST_AUTHOR} letters")
    if list(coefficients) != balanced_counts(authors) or any(isinstance(one, float) for one in coefficients):
        raise Refusal("the coefficients are not those with which each author counts once")


def _is_author(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_AUTHOR and value.isascii() and value.isprintable()


def _rebalanced(
    left: Sequence[int], coefficients: Sequence[Coefficient], parameters: Parameters
) -> tuple[Sequence[Coefficient], Parameters]:
    authors = [parameters["authors"][place] for place in left]
    return balanced_counts(authors), {"authors": authors}


def _refuse_other_parameters(method: str, parameters: Parameters, names: Sequence[str]) -> None:
    if sorted(parameters) != sorted(names):
        wanted, found = ", ".join(names) or "none", ", ".join(sorted(parameters)) or "none"
        raise Refusal(f"the method {method} has other parameters: {wanted}, not {found}")


METHODS = {
    MEAN: Method("the weighted mean", weighted_mean, _check_mean, _same_counts, linear=True),
    "trimmed_mean": Method(
        "at each element the mean without the lowest and the highest values",
        trimmed_mean,
        _check_trimmed,
        _same_counts,
        linear=False,
    ),
    "balanced_mean": Method(
        "the mean in which every author counts once", weighted_mean, _check_balanced, _rebalanced, linear=True
    ),
}
