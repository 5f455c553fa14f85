"""Two texts as lines, and what a reader sees as taken out, put in and left between them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DiffLine:
    """A line of the difference between two versions."""

    kind: Literal["same", "added", "removed"]
    text: str


def compare_lines(before: Sequence[str], after: Sequence[str]) -> list[DiffLine]:
    """Every line of both, in order; what was removed stands before what took its place."""
    lines: list[DiffLine] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += [DiffLine("same", line) for line in before[a:b]]
        else:
            lines += [DiffLine("removed", line) for line in before[a:b]]
            lines += [DiffLine("added", line) for line in after[c:d]]
    return lines
