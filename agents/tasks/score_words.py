"""What a segment's description says of lead scores, taken out of it as rules: "a score of 50 or more", "hot leads".

To understand more, add a row to READERS: a pattern of a clause, and the edges that its match means.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audience.scores import HOT_FROM, WARM_FROM

Condition = dict[str, Any]
# From how many points on, and below how many; None: no edge on that side.
Edges = tuple[int | None, int | None]

_LEAD = r"(?:(?:,\s*)?\b(?:and|or|but|also|who|whose|which|that|with|have|has|having|are|is|an?|the|their)\s+)*"
_SCORE = r"(?:lead[\s-]+)?scor(?:es?|ed|ing)\b(?:\s+(?:is|are|was|of|stands?|at(?!\s+(?:least|most))))*\s*"
_MORE = r"(?:or|and)\s+(?:more|higher|above|over|up|better)\b"
_LESS = r"(?:or|and)\s+(?:less|lower|below|under|fewer)\b"
_NUMBER = r"(?P<number>\d{1,3})\b(?:\s+points?\b)?"
_TEMPERATURE = r"(?P<one>hot|warm|cold)\b(?:\s*(?:,|\band\b|\bor\b)\s*(?P<other>hot|warm|cold)\b)?"
_WHO = r"(?:\s+(?:leads?|contacts?|prospects?|people|ones)\b)"


@dataclass(frozen=True)
class Points:
    """From how many points on a contact is warm or hot."""

    hot_from: int = HOT_FROM
    warm_from: int = WARM_FROM


def take_scores(words: str, points: Points) -> tuple[str, list[list[Condition]]]:
    """The description without its clauses about scores, and the rules of each clause."""
    clauses: list[list[Condition]] = []
    for pattern, edges in READERS:
        while match := pattern.search(words):
            clauses.append(_conditions(*edges(match, points)))
            words = f"{words[: match.start()]} {words[match.end() :]}".strip(" ,")
    return " ".join(words.split()), clauses


def _conditions(at_least: int | None, less_than: int | None) -> list[Condition]:
    edges = (("at_least", at_least), ("less_than", less_than))
    return [{"field": "score", "operator": name, "value": value} for name, value in edges if value is not None]


def _of(match: re.Match[str]) -> int:
    return int(match["number"])


def _temperature(match: re.Match[str], points: Points) -> Edges:
    named = {match["one"].lower(), (match["other"] or match["one"]).lower()}
    lowest = {"hot": points.hot_from, "warm": points.warm_from, "cold": None}
    highest = {"hot": None, "warm": points.hot_from, "cold": points.warm_from}
    first = next(name for name in ("cold", "warm", "hot") if name in named)
    last = next(name for name in ("hot", "warm", "cold") if name in named)
    return lowest[first], highest[last]


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(_LEAD + pattern, re.I)


READERS: list[tuple[re.Pattern[str], Callable[[re.Match[str], Points], Edges]]] = [
    (
        _re(rf"{_SCORE}(?:between|from)\s+(?P<number>\d{{1,3}})\s*(?:and|to|-|–)\s*(?P<most>\d{{1,3}})\b(?:\s+points?\b)?"),
        lambda match, _: (_of(match), int(match["most"]) + 1),
    ),
    (_re(rf"{_SCORE}{_NUMBER}\s+{_MORE}"), lambda match, _: (_of(match), None)),
    (_re(rf"{_SCORE}(?P<number>\d{{1,3}})\+"), lambda match, _: (_of(match), None)),
    (_re(rf"{_SCORE}{_NUMBER}\s+{_LESS}"), lambda match, _: (None, _of(match) + 1)),
    (_re(rf"{_SCORE}(?:at\s+least|from|no\s+less\s+than|>=|≥)\s*{_NUMBER}"), lambda match, _: (_of(match), None)),
    (_re(rf"{_SCORE}(?:above|over|more\s+than|higher\s+than|greater\s+than|>)\s*{_NUMBER}"),
     lambda match, _: (_of(match) + 1, None)),
    (_re(rf"{_SCORE}(?:at\s+most|up\s+to|no\s+more\s+than|<=|≤)\s*{_NUMBER}"), lambda match, _: (None, _of(match) + 1)),
    (_re(rf"{_SCORE}(?:below|under|less\s+than|lower\s+than|<)\s*{_NUMBER}"), lambda match, _: (None, _of(match))),
    (_re(rf"{_SCORE}(?:exactly\s+|=\s*)?{_NUMBER}"), lambda match, _: (_of(match), _of(match) + 1)),
    (_re(rf"\b{_TEMPERATURE}{_WHO}"), _temperature),
    (re.compile(rf"\b(?:who|that|which)\s+(?:are|is)\s+{_TEMPERATURE}", re.I), _temperature),
]  # fmt: skip
