"""Keyword clusters from a person's own terms: grouped by what the searcher wants, nothing looked up."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated

from pydantic import Field, StringConstraints

from agents.base import BriefExample, Check, Context
from agents.parts.blocks import Block, Card, Cards, Text
from agents.parts.brief_fields import Ask, Clean, Line, Name, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.result_parts import Part, SomeLines, show_lines
from agents.sources.marketing import read_brand
from agents.sources.readings import counted, gather

SMALL = frozenset(
    ("the", "for", "and", "with", "how", "what", "why", "when", "are", "does", "your", "our", "best", "near", "you")
)
INTENTS = (
    (("buy", "price", "order", "shop", "offer", "near"), "Wants to buy"),
    (("how", "what", "why", "when", "guide", "tips"), "Wants to know"),
    (("best", "vs", "versus", "compare", "review", "or"), "Wants to compare"),
)


class KeywordBrief(Part):
    """A person's terms."""

    terms: Annotated[
        str,
        Clean,
        StringConstraints(min_length=6, max_length=6000),
        Ask(
            "Terms",
            "What people type or ask, one in each line: from your forms, your site's search, your head.",
            "text",
            rows=8,
        ),
    ]


class Cluster(Part):
    """Terms that one page can answer."""

    name: Name
    intent: Name
    page: Line
    terms: Annotated[list[Line], Field(min_length=1, max_length=40)]


class KeywordAnswer(Part):
    """What the model writes."""

    reading: Words
    clusters: Annotated[list[Cluster], Field(min_length=1, max_length=12)]
    gaps: SomeLines


class KeywordMap(KeywordAnswer):
    """The whole result; nothing of it is computed."""


def _words(term: str) -> list[str]:
    return [word for word in re.findall(r"[a-zà-ÿ']+", term.lower()) if word not in SMALL and len(word) > 2]


def playbook(brief: KeywordBrief, context: Context) -> KeywordAnswer:
    """Terms that share their most frequent word stand together."""
    terms = list(dict.fromkeys(line[:200] for line in lines_of(brief.terms) if len(line) > 1))[:120] or ["Terms"]
    counts = Counter(word for term in terms for word in set(_words(term)))
    groups: dict[str, list[str]] = {}
    for term in terms:
        head = max(_words(term), key=lambda word: (counts[word], -term.lower().find(word)), default="other")
        groups.setdefault(head if counts[head] > 1 else "Single questions", []).append(term)
    largest = sorted(groups.items(), key=lambda one: -len(one[1]))[:12]
    clusters = [
        Cluster(
            name=head.capitalize()[:80],
            intent=_intent(own),
            page=f"One page that answers “{own[0]}”"[:200],
            terms=own[:40],
        )
        for head, own in largest
    ]
    company = str(context.facts["brand"]["company"]) or "you"
    return KeywordAnswer(
        reading=f"The terms fall into {counted(len(clusters), 'group')}; each is worth one page, and the "
        "largest comes first.",
        clusters=clusters,
        gaps=[f"What do people ask {company} on the phone that is not among these terms?"],
    )


def _intent(terms: list[str]) -> str:
    words = set(" ".join(terms).lower().split())
    return next((intent for marks, intent in INTENTS if words & set(marks)), "Wants to know")


def check(brief: KeywordBrief, _context: Context, result: KeywordMap) -> list[Check]:
    """Whether every term is the person's own."""
    told = brief.terms.lower()
    invented = [term for one in result.clusters for term in one.terms if term.lower() not in told and term != "Terms"]
    if invented:
        return [Check("terms", "Terms", "fail", f"“{invented[0][:60]}” is not among your terms.")]
    return [Check("terms", "Terms", "pass", "Every term is one of yours.")]


def show(result: KeywordMap) -> list[Block]:
    """The clusters for page and document."""
    cards = [
        Card(one.name, "\n".join(f"- {term}" for term in one.terms), (("Wants", one.intent), ("Page", one.page)))
        for one in result.clusters
    ]
    return [Text(result.reading, "In short"), Cards(cards, "Clusters"), *show_lines(result.gaps, "Not among the terms")]


KEYWORD_CLUSTERS = make_task(
    key="keyword_clusters",
    label="Keyword clusters",
    verb="Sort terms into pages",
    job="Sort the brief's terms into clusters that one page each can answer. Use every term as it stands, and no "
    "term of your own. For each cluster: a name, what the searcher wants (to know, to compare, to buy), the page "
    "that answers it. gaps: questions that the terms do not ask but the brand's audience would.",
    brief=KeywordBrief,
    answer=KeywordAnswer,
    result=KeywordMap,
    read=lambda _brief: gather((read_brand(), 1.0)),
    complete=lambda _brief, _context, answer: KeywordMap(**answer.model_dump()),
    playbook=playbook,
    checks=check,
    show=show,
    summarise=lambda result: f"{counted(len(result.clusters), 'cluster')}.",
    assume=lambda _brief, _context: ["Search volumes are not known: LUX looks nothing up on the web."],
    examples=(
        BriefExample(
            "A shop's terms",
            "What people type.",
            {"terms": "buy green tea\ngreen tea caffeine\nhow to brew green tea\ntea gift"},
        ),
        BriefExample(
            "Questions of a form",
            "What people ask.",
            {"terms": "Do you ship abroad?\nHow long does shipping take?\nIs it organic?"},
        ),
        BriefExample(
            "A new topic", "From your head.", {"terms": "tea tasting\ntea tasting evening\ntasting for teams"}
        ),
    ),
    longest_answer_tokens=3500,
)
