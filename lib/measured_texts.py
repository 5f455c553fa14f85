"""A text beside the limit of who takes it, and what a reader who does not see the count should hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NEAR_PERCENT = 90


@dataclass(frozen=True)
class Measured:
    """A text with its length beside the limit."""

    text: str
    length: int
    longest: int

    @property
    def left(self) -> int:
        """Characters that still fit; below 0: so many too many."""
        return self.longest - self.length

    @property
    def is_long(self) -> bool:
        return self.left < 0

    @property
    def is_near(self) -> bool:
        return not self.is_long and 100 * self.length >= NEAR_PERCENT * self.longest


def tell_measures(texts: Sequence[Measured]) -> str:
    """What is near its limit or beyond it, aloud; nothing while there is room, so that typing is not talked over."""
    several = len(texts) > 1
    told = []
    for number, one in enumerate(texts, 1):
        if not (one.is_long or one.is_near):
            continue
        place = f"Line {number}: " if several else ""
        count = abs(one.left)
        noun = "character" if count == 1 else "characters"
        told.append(f"{place}{count:,} {noun} {'too many' if one.is_long else 'left'}.")
    return " ".join(told)
