"""What an answer rests on: words for people, words for the model without any of a stranger's, evidence, offers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Evidence:
    """Something to look at: its id, what it is called, and its page in LUX where it has one."""

    id: str
    label: str
    url: str = ""

    def as_row(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Card:
    """An offer to act. `preview` and `confirm` are messages that a press sends; `url` leads to a page."""

    title: str
    text: str
    confirm: str = ""
    confirm_label: str = ""
    preview: str = ""
    url: str = ""

    def as_row(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Fact:
    """One finding. `text` is markdown for people; `model_text` holds numbers, ids and LUX's own words and nothing else.

    `is_from_outside` says that it was made from logs, errors, contacts or pages: what the model wants after it has read
    such a thing is not what the person has asked for.
    """

    text: str
    model_text: str
    evidence: tuple[Evidence, ...] = ()
    cards: tuple[Card, ...] = ()
    is_from_outside: bool = False
    repair: dict[str, Any] | None = None


def join_facts(facts: Iterable[Fact]) -> Fact:
    """Several findings as one; the newest report of a repair counts."""
    found = list(facts)
    reports = [fact.repair for fact in found if fact.repair is not None]
    return Fact(
        text="\n\n".join(fact.text for fact in found if fact.text),
        model_text="\n\n".join(fact.model_text for fact in found if fact.model_text),
        evidence=tuple(dict.fromkeys(one for fact in found for one in fact.evidence)),
        cards=tuple(dict.fromkeys(one for fact in found for one in fact.cards)),
        is_from_outside=any(fact.is_from_outside for fact in found),
        repair=reports[-1] if reports else None,
    )
