"""Rows of counts over time: what stands out, and where they go.

Sources: the modified z score of Iglewicz and Hoaglin (1993); the prediction interval of simple linear regression;
Student's quantile by the expansion 26.7.5 of Abramowitz and Stegun (1964).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

Z95 = 1.959964
# The expansion is exact to four digits from 13 degrees of freedom on; below, the values themselves.
STUDENT = (
    12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912,
    2.364624, 2.306004, 2.262157, 2.228139, 2.200985, 2.178813,
)  # fmt: skip
# Iglewicz and Hoaglin's mark for an outlier.
OUTLYING_Z = 3.5


@dataclass(frozen=True)
class Range:
    """A forecast with its interval of 95 %."""

    low: float
    mean: float
    high: float


def modified_z(value: float, others: Sequence[float]) -> float | None:
    """How far a value lies from the others, by their median; None where they do not vary or are too few."""
    if len(others) < 5:
        return None
    middle = median(others)
    spread = median([abs(one - middle) for one in others])
    if spread:
        return 0.6745 * (value - middle) / spread
    mean_spread = fmean(abs(one - middle) for one in others)
    return (value - middle) / (1.253314 * mean_spread) if mean_spread else None


def forecast(values: Sequence[float], steps: int) -> list[Range] | None:
    """The next values along a straight line, never below zero; None where there are too few to draw one."""
    count = len(values)
    if count < 4:
        return None
    mean_x, mean_y = (count - 1) / 2, fmean(values)
    spread_x = sum((x - mean_x) ** 2 for x in range(count))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in enumerate(values)) / spread_x
    start = mean_y - slope * mean_x
    error = math.sqrt(sum((y - start - slope * x) ** 2 for x, y in enumerate(values)) / (count - 2))
    quantile = student_quantile(count - 2)
    found = []
    for x in range(count, count + steps):
        mean = start + slope * x
        half = quantile * error * math.sqrt(1 + 1 / count + (x - mean_x) ** 2 / spread_x)
        found.append(Range(max(0.0, mean - half), max(0.0, mean), max(0.0, mean + half)))
    return found


def student_quantile(degrees: int) -> float:
    """The two-sided quantile of 95 % of Student's distribution."""
    if degrees <= len(STUDENT):
        return STUDENT[degrees - 1]
    z = Z95
    one = (z**3 + z) / 4
    two = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    three = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + one / degrees + two / degrees**2 + three / degrees**3
