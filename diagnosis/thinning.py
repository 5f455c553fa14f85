"""Takes repetition out of signals, so that a storm costs no more to judge than its beginning and its end."""

from __future__ import annotations

from collections.abc import Sequence

from diagnosis.base import Signal

# Of records that say the same: how many are kept.
FIRST_KEPT, LAST_KEPT = 4, 6
MOST_SIGNALS = 1_500


def thin_out(signals: Sequence[Signal]) -> list[Signal]:
    """The signals without most of those that repeat themselves: of what says the same, the first and the last few."""
    groups: dict[tuple[str, str, str, str, int | None], list[int]] = {}
    for number, signal in enumerate(signals):
        key = (signal.source, signal.error_type, signal.said, signal.level, signal.pid)
        groups.setdefault(key, []).append(number)
    kept = sorted(number for numbers in groups.values() for number in {*numbers[:FIRST_KEPT], *numbers[-LAST_KEPT:]})
    if len(kept) > MOST_SIGNALS:
        kept = kept[: MOST_SIGNALS // 3] + kept[-(MOST_SIGNALS * 2 // 3) :]
    return [signals[number] for number in kept]
