"""Shares of few or many: their intervals, and whether two of them differ.

Sources: Wilson (1927) for one share; Newcombe (1998), method 10, for the difference of two; the pooled z test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# The normal quantile of a two-sided interval of 95 %, and of a power of 80 %.
Z95, Z80 = 1.959964, 0.841621


@dataclass(frozen=True)
class Share:
    """A share with its interval of 95 %, each from 0 to 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """The second share less the first, with its interval, and how unlikely that is by chance alone."""

    difference: float
    low: float
    high: float
    p_value: float

    @property
    def is_significant(self) -> bool:
        return self.p_value < 0.05


def wilson(successes: int, trials: int) -> Share | None:
    """The share of successes with its interval; None of no trials. Raises ValueError."""
    if not 0 <= successes <= trials:
        raise ValueError("There cannot be more successes than trials.")
    if trials == 0:
        return None
    share, z2 = successes / trials, Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return Share(share, max(0.0, centre - half), min(1.0, centre + half))


def compare(first: tuple[int, int], second: tuple[int, int]) -> Comparison | None:
    """Two shares, each as (successes, trials); None where one has no trials."""
    one, two = wilson(*first), wilson(*second)
    if one is None or two is None:
        return None
    difference = two.value - one.value
    low = difference - math.sqrt((two.value - two.low) ** 2 + (one.high - one.value) ** 2)
    high = difference + math.sqrt((two.high - two.value) ** 2 + (one.value - one.low) ** 2)
    pooled = (first[0] + second[0]) / (first[1] + second[1])
    spread = math.sqrt(pooled * (1 - pooled) * (1 / first[1] + 1 / second[1]))
    p_value = math.erfc(abs(difference) / spread / math.sqrt(2)) if spread else 1.0
    return Comparison(difference, low, high, p_value)


def trials_needed(share: float, difference: float) -> int | None:
    """How many trials each side needs to see such a difference four times of five; None where it cannot be."""
    other = share + difference
    if difference == 0 or not 0 < share < 1 or not 0 < other < 1:
        return None
    middle = (share + other) / 2
    root = Z95 * math.sqrt(2 * middle * (1 - middle)) + Z80 * math.sqrt(share * (1 - share) + other * (1 - other))
    return math.ceil((root / difference) ** 2)


def power_of(first: tuple[int, int], second: tuple[int, int]) -> float | None:
    """How likely a difference as large as the one seen would be found with as many trials, from 0 to 1."""
    if not first[1] or not second[1]:
        return None
    one, two = first[0] / first[1], second[0] / second[1]
    spread = math.sqrt(one * (1 - one) / first[1] + two * (1 - two) / second[1])
    if not spread:
        return None
    return 0.5 * math.erfc((Z95 - abs(two - one) / spread) / math.sqrt(2))
