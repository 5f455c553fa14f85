"""How easily English text reads, by Flesch's formula: 100 is very easy, 60 is plain, below 30 is an academic paper."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
_SENTENCE_END = re.compile(r"[.!?:]+(?:\s|$)|\n\s*\n|\n-\s")
_VOWELS = re.compile(r"[aeiouy]+")
FEWEST_WORDS = 30


def measure_reading_ease(text: str) -> float | None:
    """Flesch reading ease from 0 to 100; None when there are too few words to say."""
    words = _WORD.findall(text)
    if len(words) < FEWEST_WORDS:
        return None
    sentences = max(1, sum(1 for part in _SENTENCE_END.split(text) if _WORD.search(part)))
    syllables = sum(count_syllables(word) for word in words)
    ease = 206.835 - 1.015 * len(words) / sentences - 84.6 * syllables / len(words)
    return round(min(100.0, max(0.0, ease)), 1)


def count_syllables(word: str) -> int:
    """About how many syllables an English word has; at least one."""
    bare = word.lower().replace("’", "").replace("'", "")
    count = len(_VOWELS.findall(bare))
    if bare.endswith("e") and not bare.endswith(("le", "ee", "ye")) and count > 1:
        count -= 1
    return max(1, count)
