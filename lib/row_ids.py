"""Ids of rows as addresses and forms bring them: whole numbers that fit PostgreSQL's bigint, or nothing."""

from __future__ import annotations

from collections.abc import Iterable

LARGEST = 2**63 - 1


def read_id(text: str | None) -> int | None:
    """The id that the text is, or None."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    number = int(text)
    return number if 0 < number <= LARGEST else None


def read_ids(texts: Iterable[str]) -> list[int]:
    """The ids among the texts, each once, in order."""
    return list(dict.fromkeys(number for number in map(read_id, texts) if number is not None))
