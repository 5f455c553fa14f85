"""The playbook that reads a segment's description in plain English and makes rules of it, without a model.

To understand more, add a row to READERS: a pattern, and the condition that its match means.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agents.tasks.score_words import Points, take_scores

Condition = dict[str, Any]

DAYS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "twelve": 12,
}  # fmt: skip
QUIET_DAYS = 90
_NUMBER = r"(?P<number>\d{1,4}|" + "|".join(NUMBERS) + ")"
_UNIT = r"(?P<unit>day|week|month|quarter|year)s?"
_SPAN = rf"(?:(?:in|within|for|during|over)\s+)?(?:the\s+)?(?:last|past|previous)?\s*(?:{_NUMBER}\s+)?{_UNIT}"
_DEED = r"(?P<deed>open|click|receiv|read|subscrib|agree|unsubscrib)\w*"
_NOT = r"(?:have|has|did|do|does)?\s*(?:not|n['’]t|never)(?:\s+(?:yet|ever))?"
_VALUE = r"[“\"']?(?P<value>[^“”\"',;]{1,80}?)[”\"']?"
_END = r"\s*$"
_PROPERTY = r"(?:the\s+|an?\s+)?(?P<name>\w+(?: \w+)?)\s*(?:\bis\b|\bequals\b|=)\s*"
_NOISE = re.compile(
    r"^(?:(?:all|every|everybody|everyone|anybody|people|persons?|contacts?|customers?|readers?|subscribers?|those|them|"
    r"segment|the|who|whom|that|which|have|has|had|are|is|were|was|of|i|want|show|me|find|please|also|but|and|a|an)\b\s*)+",
    re.I,
)
_SPLIT = re.compile(r"\s*(?:,\s*(?:and\s+|but\s+|who\s+)?|;\s*|\band\s+(?:also\s+)?|\bbut\s+|\bwho\s+)\s*", re.I)
# "50 or more", "between 20 and 50", "warm or hot" join no rules.
_NUMBERS_JOINED = re.compile(
    r"\b(?:or|and)\s+(?:more|higher|above|over|up|better|less|lower|below|under|fewer|\d+)\b"
    r"|\b(?:hot|warm|cold)\s+(?:or|and)\s+(?:hot|warm|cold)\b",
    re.I,
)
FIELDS = {"open": "opened", "read": "opened", "click": "clicked", "receiv": "received", "agree": "agreed"}


@dataclass(frozen=True)
class Understood:
    """Rules that were understood, and the words that were not."""

    match: str
    conditions: list[Condition] = field(default_factory=list)
    leftover: list[str] = field(default_factory=list)


def read_segment_words(words: str, points: Points | None = None) -> Understood:
    """The rules that a description means; `points` say who is warm and hot."""
    whole = " ".join(words.split()).strip().rstrip(".")
    bare, scores = take_scores(whole, points or Points())
    joints = _NUMBERS_JOINED.sub("", whole) if scores else whole
    is_any = re.search(r"\bor\b", joints, re.I) is not None and re.search(r"\band\b", joints, re.I) is None
    pieces = re.split(r"\s*(?:,\s*)?\bor\s+", bare, flags=re.I) if is_any else _SPLIT.split(bare)
    understood = Understood("any" if is_any else "all")
    for piece in pieces:
        plain = _NOISE.sub("", piece.strip()).strip()
        if not plain:
            _take_whole(piece, understood)
            continue
        found = _read_piece(plain) or _read_piece(piece.strip())
        if found:
            understood.conditions.extend(one for one in found if one not in understood.conditions)
        else:
            understood.leftover.append(plain)
    _share_span(understood.conditions)
    for clause in scores:
        # Two edges of one clause hold together, also where any one rule is enough.
        is_group = is_any and len(clause) > 1
        understood.conditions.extend([{"match": "all", "rules": clause}] if is_group else clause)
    return understood


def _share_span(conditions: list[Condition]) -> None:
    """Two deeds with one time, as in "opened or clicked this month", share it."""
    for before, after in itertools.pairwise(conditions):
        if before["operator"] == "ever" and after["operator"] == "within_days" and after["field"] in FIELDS.values():
            before.update(operator="within_days", value=after["value"])


def _take_whole(piece: str, understood: Understood) -> None:
    """A piece of nothing but filling words: "everybody who has subscribed" is split, "all subscribers" is not."""
    if re.search(r"\bsubscribers?\b", piece, re.I) and not understood.conditions:
        understood.conditions.append({"field": "subscription", "operator": "is", "value": "subscribed"})


def _read_piece(piece: str) -> list[Condition] | None:
    for pattern, make in READERS:
        match = pattern.search(piece)
        if match:
            return make(match)
    return None


def _days(match: re.Match[str]) -> int:
    groups = match.groupdict()
    count = groups.get("number") or "1"
    number = NUMBERS.get(count.lower(), 0) or int(count)
    return min(3650, max(1, number * DAYS[str(groups["unit"]).lower()]))


def _deed(match: re.Match[str]) -> str:
    return FIELDS.get(match["deed"].lower(), "left" if match["deed"].lower().startswith("unsub") else "agreed")


def _condition(name: str, operator: str, value: Any = None) -> list[Condition]:
    return [{"field": name, "operator": operator, "value": value}]


def _text(match: re.Match[str]) -> str:
    return match["value"].strip()


def _attribute(match: re.Match[str]) -> list[Condition]:
    name = re.sub(r"\W+", "_", match["name"].strip().lower()).strip("_")
    known = {"name", "email", "phone", "source"}
    return _condition(name if name in known else f"attribute.{name}", "is", _text(match))


def _quiet(match: re.Match[str]) -> list[Condition]:
    days = _days(match) if match.groupdict().get("unit") else QUIET_DAYS
    return [*_condition("received", "within_days", days), *_condition("opened", "not_within_days", days)]


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.I)


READERS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], list[Condition]]]] = [
    (_re(rf"\b{_NOT}\s+{_DEED}.*?{_SPAN}"), lambda m: _condition(_deed(m), "not_within_days", _days(m))),
    (_re(rf"\b{_NOT}\s+{_DEED}"), lambda m: _condition(_deed(m), "never")),
    (_re(rf"\b(?:quiet|inactive|silent|slipping|dormant)\b(?:.*?{_SPAN})?"), _quiet),
    (
        _re(rf"\b(?:new|joined|added|signed\s+up|arrived|registered|came)\b.*?{_SPAN}"),
        lambda m: _condition("created_at", "within_days", _days(m)),
    ),
    (_re(rf"\bunsubscrib\w*\b.*?{_SPAN}"), lambda m: _condition("left", "within_days", _days(m))),
    (_re(rf"\b{_DEED}.*?{_SPAN}"), lambda m: _condition(_deed(m), "within_days", _days(m))),
    (_re(r"\bunsubscribed?\b"), lambda _: _condition("subscription", "is", "unsubscribed")),
    (_re(r"\b(?:bounced|complained|pending)\b"), lambda m: _condition("subscription", "is", m[0].lower())),
    (_re(r"\b(?:subscribed|subscribers?|agreed)\b"), lambda _: _condition("subscription", "is", "subscribed")),
    (_re(r"\b(?P<deed>open|click|receiv|read)\w*"), lambda m: _condition(_deed(m), "ever")),
    (_re(rf"\bnot\s+tagged\s+(?:as\s+|with\s+)?{_VALUE}{_END}"), lambda m: _condition("tag", "has_not", _text(m))),
    (
        _re(rf"\b(?:tagged|tag|tags)\s+(?:is\s+|as\s+|with\s+)?{_VALUE}{_END}"),
        lambda m: _condition("tag", "has", _text(m)),
    ),
    (_re(rf"\bsource\s+(?:is|contains|=)\s+{_VALUE}{_END}"), lambda m: _condition("source", "contains", _text(m))),
    (
        _re(rf"\b(?:from|through|via)\s+(?:the\s+|our\s+)?{_VALUE}\s+(?:form|page|source|site|campaign){_END}"),
        lambda m: _condition("source", "contains", _text(m)),
    ),
    (
        _re(r"(?:\bat|\bwith|@)\s*(?:an?\s+)?@?(?P<value>[\w-]+(?:\.[\w-]+)+)\b"),
        lambda m: _condition("email", "ends_with", f"@{_text(m)}"),
    ),
    (
        _re(rf"\b(?:live|living|based|located)\s+in\s+{_VALUE}{_END}"),
        lambda m: _condition("attribute.city", "is", _text(m)),
    ),
    (_re(r"\b(?:with|have)?\s*(?:a\s+)?phone\b"), lambda _: _condition("phone", "is_known")),
    (_re(rf"\b(?:whose|where|with)\s+{_PROPERTY}{_VALUE}{_END}"), _attribute),
    (_re(rf"^{_PROPERTY}[“\"']?(?P<value>[\w.@+-]+(?: [\w.@+-]+)?)[”\"']?{_END}"), _attribute),
]  # fmt: skip
