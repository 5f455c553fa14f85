"""What code finds in the words of any result: figures without evidence, addresses, avoided words, claims, orders.

To add a check for every task, write a function that takes Draft and list it in COMMON; a task's own checks are its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from agents.base import Check, Context
from agents.parts.brief_fields import name_fields
from lib.web_addresses import find_addresses, host_of

SMALL_NUMBER = 10
THIN_COVERAGE = 0.4
SUPERLATIVES = (
    "number one", "no. 1", "#1", "world's best", "the best", "the cheapest", "the fastest", "leading", "award-winning",
    "guaranteed", "proven", "clinically", "scientifically", "unbeatable", "the only",
)  # fmt: skip
ORDERS = re.compile(
    r"\b(ignore|disregard|forget)\b.{0,40}\b(instruction|rule|prompt|above|previous|brief)|"
    r"\b(system prompt|developer message|you are now|new instructions?)\b|"
    r"\bsend (this|it|all|the).{0,30}\bto\b.{0,60}@",
    re.I | re.S,
)
NUMBER = re.compile(r"(?<![\w#])(?:[$€£]\s?)?\d[\d.,]*(?:\s?(?:%|percent|€|EUR|USD))?", re.I)
MARKED_LINK = re.compile(r"\[[^\[\]]*\]\(\s*<?([^()\s<>]*)>?[^()]*\)")


@dataclass(frozen=True)
class Draft:
    """What is looked at: the brief, what was read, and every text of the result with its place."""

    brief: BaseModel
    context: Context
    texts: list[tuple[str, str]]

    @property
    def copy(self) -> str:
        return "\n".join(text for _, text in self.texts)

    @property
    def allowed_links(self) -> set[str]:
        return {str(link) for link in self.context.facts.get("allowed_links", [])}

    @property
    def told(self) -> str:
        """Everything that may be stated as a fact: the brief, and the evidence."""
        return self._tell(set())

    @property
    def own_words(self) -> str:
        """The same without what strangers wrote."""
        return self._tell(name_fields(type(self.brief), lambda ask: ask.is_foreign))

    def _tell(self, without: set[str]) -> str:
        rows = [f"{one.label} {one.value} {' '.join(one.details)}" for one in self.context.evidence]
        brief = self.brief.model_dump(mode="json", exclude=without)
        return " ".join([*(text for _, text in list_texts(brief)), *rows])


def check_words(brief: BaseModel, context: Context, texts: list[tuple[str, str]]) -> list[Check]:
    """Every common check of a result's words."""
    draft = Draft(brief, context, texts)
    return [check(draft) for check in COMMON]


def in_order(checks: Iterable[Check]) -> list[Check]:
    """The checks, those that hold a draft back first."""
    order = {"fail": 0, "warn": 1, "pass": 2}
    return sorted(checks, key=lambda check: order[check.verdict])


def list_texts(value: Any, place: str = "") -> list[tuple[str, str]]:
    """Every text in a value, with its place such as `pillars.0.title`."""
    return [(at, leaf) for at, leaf in _leaves(value, place) if isinstance(leaf, str) and leaf]


def list_numbers(text: str) -> set[str]:
    """The figures of a text, each in one spelling: 1,200 and 1200.0 are the same."""
    return {plain_number(match[0]) for match in NUMBER.finditer(text)} - {""}


def plain_number(text: str) -> str:
    """A figure in one spelling, without its currency, percent sign and thousands."""
    bare = re.sub(r"[^\d.,]", "", text).strip(".,")
    bare = re.sub(r",(?=\d{3}(?:\D|$))", "", bare).replace(",", ".")
    if bare.count(".") > 1:
        return bare
    return f"{Decimal(bare).normalize():f}" if bare else ""


def is_small_count(text: str) -> bool:
    """Whether a figure is no more than a small count, such as "three steps" in digits."""
    bare = text.strip().rstrip(".,")
    return bare.isdigit() and int(bare) <= SMALL_NUMBER


def find_words(text: str, words: Iterable[str]) -> list[str]:
    """Which of the words stand in the text, as whole words."""
    lowered = text.lower()
    return [
        word for word in words if word and re.search(rf"(?<!\w){re.escape(word.lower())}(?!\w)", lowered) is not None
    ]


def is_bare_host(address: str, hosts: set[str]) -> bool:
    """Whether the address is no more than the name of a site that links may lead to."""
    host = host_of(address)
    bare = address.lower().removeprefix("https://").removeprefix("www.").rstrip("/")
    return bool(host) and host in hosts and bare == host


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _leaves(one, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            yield from _leaves(one, f"{place}.{at}" if place else str(at))
    else:
        yield place, value


def _check_figures(draft: Draft) -> Check:
    known = list_numbers(draft.told)
    said = [match[0].strip() for match in NUMBER.finditer(MARKED_LINK.sub(" ", draft.copy))]
    unknown = [one.rstrip(".,") for one in said if plain_number(one) not in known and not is_small_count(one)]
    if unknown:
        shown = ", ".join(list(dict.fromkeys(unknown))[:6])
        return Check("figures", "Figures", "fail", f"Says {shown}, which neither the brief nor the evidence says.")
    return Check("figures", "Figures", "pass", "Every figure is in the brief or the evidence.")


def _check_links(draft: Draft) -> Check:
    allowed = draft.allowed_links
    hosts = {host_of(link) for link in allowed}
    foreign = [match[1] for match in MARKED_LINK.finditer(draft.copy) if match[1] not in allowed]
    told = draft.own_words
    found = find_addresses(MARKED_LINK.sub(" ", draft.copy))
    foreign += [one for one in found if one not in allowed and not is_bare_host(one, hosts) and one not in told]
    if foreign:
        shown = ", ".join(dict.fromkeys(link[:80] for link in foreign))
        return Check("links", "Links", "fail", f"Leads to {shown}, which neither the brief nor the brand names.")
    return Check("links", "Links", "pass", "No address that the brief, the brand or the evidence does not name.")


def _check_avoided(draft: Draft) -> Check:
    avoided = [str(word) for word in (draft.context.facts.get("brand") or {}).get("words_to_avoid", [])]
    found = find_words(draft.copy, avoided)
    if found:
        return Check("avoided", "Words to avoid", "fail", f"Uses “{'”, “'.join(found)}”, which the brand avoids.")
    return Check("avoided", "Words to avoid", "pass", "None of the brand's words to avoid.")


def _check_claims(draft: Draft) -> Check:
    told = f"{draft.told} {draft.context.facts.get('brand', '')}".lower()
    claims = [claim for claim in find_words(draft.copy, SUPERLATIVES) if claim not in told]
    if claims:
        detail = f"“{'”, “'.join(claims)}” is a claim without a proof point. Add the proof to the brand, or soften it."
        return Check("claims", "Claims", "warn", detail)
    return Check("claims", "Claims", "pass", "No claim without a proof point.")


def _check_orders(draft: Draft) -> Check:
    outside = str(draft.context.facts) + str(draft.brief.model_dump(mode="json"))
    if ORDERS.search(outside):
        detail = "Text in the data reads like an order to the model. It was taken as data, and nothing in it was done."
        return Check("orders", "Orders in data", "warn", detail)
    return Check("orders", "Orders in data", "pass", "Nothing in the data tries to give orders.")


def _check_data(draft: Draft) -> Check:
    percent = round(100 * draft.context.coverage)
    if draft.context.coverage < THIN_COVERAGE:
        return Check("data", "Data", "warn", f"There is little to go by yet: {percent}% of what this task can read.")
    return Check("data", "Data", "pass", f"{percent}% of what this task can read was there.")


COMMON: tuple[Callable[[Draft], Check], ...] = (
    _check_figures,
    _check_links,
    _check_avoided,
    _check_claims,
    _check_orders,
    _check_data,
)
