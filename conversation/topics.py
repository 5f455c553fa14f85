"""Which finding answers which topic. To answer a new one, write what finds it and add its row to ANSWERS.

A repair is no row here: chatbot.py starts it, for an operator, in the turn of their own message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from conversation import audience_facts, campaign_facts, guidance, system_facts
from conversation.facts import Fact, join_facts
from conversation.turns import Asker
from conversation.wishes import Topic, Wish
from diagnostics.health import check_health
from errors import NotFound
from log_reader import SOURCES

OPERATORS_ONLY = "Errors, logs and repair are for operators."
_PAGE_ID = re.compile(r"^/(campaigns|segments|diagnostics/groups)/(\d{1,15})(?:/|$)")


@dataclass(frozen=True)
class Asked:
    """A wish, who has it, and the page that was open."""

    wish: Wish
    asker: Asker
    page: str = ""

    @property
    def is_operator(self) -> bool:
        return guidance.RANK.get(self.asker.role, 0) >= guidance.RANK["operator"]

    def find_page_id(self, area: str) -> int | None:
        """The id of the thing that the open page shows, when it is of this area."""
        found = _PAGE_ID.match(self.page)
        return int(found[2]) if found and found[1] == area else None


def _tell_campaigns(asked: Asked) -> Fact:
    own = asked.find_page_id("campaigns")
    named = campaign_facts.find_mentioned_campaign(asked.wish.words)
    if named is not None:
        return campaign_facts.tell_campaign(named.id)
    if own is not None and re.search(r"\b(?:this|it|its)\b", asked.wish.words, re.IGNORECASE):
        return campaign_facts.tell_campaign(own)
    return campaign_facts.tell_campaigns()


def _tell_segments(asked: Asked) -> Fact:
    own = asked.find_page_id("segments")
    if own is not None and re.search(r"\b(?:this|it|its)\b", asked.wish.words, re.IGNORECASE):
        return audience_facts.tell_segment(own)
    return audience_facts.tell_segments()


def _tell_system(asked: Asked) -> Fact:
    if asked.is_operator:
        return system_facts.tell_system()
    words = {
        "pass": "LUX is well.",
        "warn": "LUX works; something needs a look.",
        "fail": "Something in LUX is failing.",
    }
    state = Fact(words[check_health().status], words["warn"])
    return guidance.refuse(OPERATORS_ONLY, join_facts([state, audience_facts.tell_sending()]))


def _tell_diagnosis(asked: Asked) -> Fact:
    facts = [_tell_system(asked)]
    if asked.is_operator:
        facts.append(system_facts.tell_sources())
    return join_facts(facts)


def _tell_errors(asked: Asked) -> Fact:
    if not asked.is_operator:
        return guidance.refuse(OPERATORS_ONLY)
    own = asked.find_page_id("diagnostics/groups")
    if own is not None and re.search(r"\b(?:this|it|its)\b", asked.wish.words, re.IGNORECASE):
        return system_facts.tell_group(own)
    named = re.search(r"\b(?:group|error) #?(\d{1,12})\b", asked.wish.words, re.IGNORECASE)
    return system_facts.tell_group(int(named[1])) if named else system_facts.tell_errors()


def _tell_logs(asked: Asked) -> Fact:
    if not asked.is_operator:
        return guidance.refuse(OPERATORS_ONLY)
    name = next((name for name in SOURCES if re.search(rf"\b{name}\b", asked.wish.words, re.IGNORECASE)), None)
    return system_facts.tell_log(name) if name else system_facts.tell_sources(system_facts.LOG_HOURS)


def _tell_health(asked: Asked) -> Fact:
    return system_facts.tell_health() if asked.is_operator else _tell_system(asked)


def _tell_pasted(asked: Asked) -> Fact:
    return system_facts.tell_text(asked.wish.words) if asked.is_operator else guidance.refuse(OPERATORS_ONLY)


def _tell_guidance(asked: Asked) -> Fact:
    found = guidance.tell_documents(asked.wish.words)
    return found or guidance.give_up(asked.asker.role, asked.page)


def _tell_strategy(_asked: Asked) -> Fact:
    return guidance.suggest_plan([audience_facts.tell_reach(), campaign_facts.tell_best_campaign()])


ANSWERS: dict[Topic, Callable[[Asked], Fact]] = {
    "greeting": lambda asked: guidance.greet(asked.asker.role, asked.page),
    "thanks": lambda _: guidance.thank(),
    "abilities": lambda asked: guidance.tell_abilities(asked.asker.role, asked.page),
    "pasted": _tell_pasted,
    "diagnosis": _tell_system,
    "errors": _tell_errors,
    "logs": _tell_logs,
    "health": _tell_health,
    "reach": lambda _: audience_facts.tell_reach(),
    "best_campaign": lambda _: campaign_facts.tell_best_campaign(),
    "campaigns": _tell_campaigns,
    "contacts": lambda _: audience_facts.tell_contacts(),
    "segments": _tell_segments,
    "explanation": lambda asked: campaign_facts.tell_explanation(asked.wish.words),
    "approvals": lambda _: audience_facts.tell_waiting(),
    "agents": lambda _: audience_facts.tell_agents(),
    "spend": lambda _: audience_facts.tell_spend(),
    "copy": lambda asked: guidance.suggest_words(asked.wish.words),
    "strategy": _tell_strategy,
    "guidance": _tell_guidance,
    "unknown": _tell_guidance,
}


def answer(asked: Asked, action: str = "message") -> Fact:
    """The finding that answers a wish, by rules, data and documents alone. Never raises for what it does not find."""
    if action == "diagnose" and asked.wish.topic != "pasted":
        return _tell_diagnosis(asked)
    if asked.wish.topic in ("repair", "repair_preview"):
        return guidance.refuse(OPERATORS_ONLY)
    try:
        return ANSWERS[asked.wish.topic](asked)
    except NotFound as error:
        return Fact(error.detail, error.detail)
