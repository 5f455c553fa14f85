"""What LUX says of itself: greetings, suggestions for the page that is open, documents, help with words and plans."""

from __future__ import annotations

import re
from collections.abc import Sequence

from campaigns.brand import get_brand
from conversation.documents import Hit, search_documents
from conversation.facts import Card, Evidence, Fact

RANK = {"viewer": 1, "marketer": 2, "operator": 3, "owner": 4}
# What fits to ask on which page; the first row whose beginning fits wins.
_WRONG, _WAITS, _NEXT = "What's wrong with my system?", "What waits for me?", "What should I send next?"
_BEST, _REACH, _SUBJECTS = "Which campaign was best?", "How many people can I write to?", "Give me subject lines"
_DOING, _COUNT, _ZAPIER = "How are my campaigns doing?", "How many contacts do I have?", "How do I connect Zapier?"
SUGGESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("/diagnostics", (_WRONG, "Show me the errors", "What do the logs say?", "What would a repair do?")),
    ("/webhook-inbox", (_ZAPIER, _WAITS, _COUNT, _WRONG)),
    ("/campaigns", (_DOING, _BEST, "How do I send a campaign?", _SUBJECTS)),
    ("/segments", ("Which segments do I have?", _REACH, "What is a segment?", "How do I win people back?")),
    ("/contacts", (_COUNT, _REACH, "How do I import contacts?", _ZAPIER)),
    ("/agents", ("Which agents are there?", "What did AI cost today?", _SUBJECTS, _NEXT)),
    ("/approvals", (_WAITS, "How do approvals work?", _BEST, _NEXT)),
    ("/settings", ("How do I set up mail?", "How do I set up AI?", "Which roles are there?", "How do I back up LUX?")),
    ("", (_DOING, _REACH, _WAITS, _WRONG)),
)
_FOR_OPERATORS = ("What's wrong", "Show me the errors", "What do the logs", "What would a repair")
_INSTEAD = (_NEXT, _COUNT, "How do I send a campaign?", "What can you do?")
SUBJECTS = (
    ("Say what it is", "{thing} is here", "clear beats clever; people scan"),
    ("Say what it brings", "What {thing} does for you", "one benefit, no list"),
    ("Ask", "Have you tried {thing} yet?", "a question the reader can answer with yes"),
    ("Set a date", "{thing}: until Sunday", "only when the date is true"),
    ("Be personal", "{{{{first_name|Hello}}}}, {thing} for you", "a merge tag with its fallback"),
)
COPY_RULES = (
    "Subject: up to 50 characters; the first 30 show on a phone.",
    "Preheader: 40 to 90 characters that go on where the subject ends.",
    "One goal, one button, said in words that tell what happens: “See the spring tea”, not “Click here”.",
    "Short paragraphs, a real sender name, and the postal address that LUX adds anyway.",
)


def list_suggestions(page: str, role: str) -> list[str]:
    """Four questions that fit the page and the role."""
    chosen = next(questions for start, questions in SUGGESTIONS if page.startswith(start))
    if RANK.get(role, 0) >= RANK["operator"]:
        return list(chosen)
    kept = [question for question in chosen if not question.startswith(_FOR_OPERATORS)]
    return [*kept, *(question for question in _INSTEAD if question not in kept)][:4]


def greet(role: str, page: str) -> Fact:
    """A greeting that says what can be asked."""
    return _with_suggestions("Hello. I answer from LUX's own data, documents and rules. For example:", role, page)


def tell_abilities(role: str, page: str) -> Fact:
    """What can be asked, by what the role may."""
    lines = [
        "**Campaigns and contacts**: how they are doing, which did best, how many people can be written to, why "
        "somebody did or did not get a message.",
        "**Words and plans**: subject lines, what to send next; the [agents](/agents/) draft it.",
        "**How LUX works**: from its [documents](/help/readme).",
    ]
    if RANK.get(role, 0) >= RANK["operator"]:
        lines.append(
            "**This system**: what is wrong, errors, logs, health; and repair, with a report of what was done."
        )
    text = "\n".join(f"- {line}" for line in lines)
    return Fact(text, _without_links(text))


def thank() -> Fact:
    """You are welcome."""
    return Fact("You're welcome.", "The person said thanks.")


def give_up(role: str, page: str) -> Fact:
    """An honest word when nothing fits, and what could be asked."""
    said = "I have no answer to that in LUX's data or documents. These I can answer:"
    return _with_suggestions(said, role, page)


def tell_documents(question: str) -> Fact | None:
    """What the documents say to a question, with links to where they say it; None when they say nothing."""
    hits = search_documents(question)
    if not hits:
        return None
    best = hits[0]
    others = [hit for hit in hits[1:] if hit.score > 0.7 * best.score][:2]
    text = f"From **[{best.section.label}]({best.section.url})**:\n\n{_below_headings(best)}"
    if others:
        links = ", ".join(f"[{hit.section.label}]({hit.section.url})" for hit in others)
        text += f"\n\nSee also {links}."
    told = "\n".join(f"Document {hit.section.label} ({hit.section.url}):\n{hit.excerpt}" for hit in [best, *others])
    return Fact(text, told, tuple(_evidence(hit) for hit in [best, *others]))


def suggest_words(words: str) -> Fact:
    """Subject lines from patterns that hold, and where the agent writes the whole thing."""
    thing = _thing_of(words) or "your offer"
    lines = [f"- **{name}**: “{pattern.format(thing=thing)}” ({why})" for name, pattern, why in SUBJECTS]
    company = get_brand().company
    sender = " The voice comes from your [brand](/settings/brand)." if company else ""
    text = (
        "Subject lines to start from:\n\n" + "\n".join(lines) + "\n\n" + "\n".join(f"- {rule}" for rule in COPY_RULES)
        + f"\n\n[Email & CRM](/agents/email_crm) drafts the whole campaign and lets you check it first.{sender}"
    )  # fmt: skip
    told = "Patterns of subject lines: " + "; ".join(f"{name} ({why})" for name, _, why in SUBJECTS)
    card = Card("Have it drafted", "Email & CRM writes a whole campaign.", url="/agents/email_crm")
    return Fact(text, f"{told}. Rules: {' '.join(COPY_RULES)}", (), (card,))


def suggest_plan(facts: Sequence[Fact]) -> Fact:
    """What to do next, from what there is."""
    steps = (
        "Write first to people who opened or clicked lately: the recipe “Engaged readers” of [Segments](/segments/).",
        "Win back the quiet ones with one mail that asks; let go of those who stay quiet. The recipe is “Gone quiet”.",
        "Welcome those who are new within a few days of their sign-up.",
        "Change one thing at a time, and compare campaigns that went to at least a few hundred people.",
    )
    told = " ".join([*(fact.model_text for fact in facts), "Usual steps:", *map(_without_links, steps)])
    text = "\n\n".join([*(fact.text for fact in facts), "**Next**\n\n" + "\n".join(f"- {step}" for step in steps)])
    return Fact(text, told, tuple(one for fact in facts for one in fact.evidence))


def refuse(what: str, instead: Fact | None = None) -> Fact:
    """A calm no to something that the role does not allow."""
    text = f"{what} Ask an operator or the owner of this LUX."
    return Fact(f"{text}\n\n{instead.text}" if instead else text, text, instead.evidence if instead else ())


def _with_suggestions(said: str, role: str, page: str) -> Fact:
    questions = list_suggestions(page, role)
    cards = tuple(Card(question, "", confirm=question, confirm_label="Ask") for question in questions)
    text = f"{said}\n\n" + "\n".join(f"- {question}" for question in questions)
    return Fact(text, f"{said} {' '.join(questions)}", (), cards)


def _without_links(text: str) -> str:
    return re.sub(r"[*\[\]]|\(/[^)]*\)", "", text)


def _evidence(hit: Hit) -> Evidence:
    return Evidence(f"docs:{hit.section.url.removeprefix('/help/')}", hit.section.label, hit.section.url)


def _below_headings(hit: Hit) -> str:
    """The excerpt with its links as they are in the documents' pages, not as they are among files."""
    return re.sub(r"\[([^\]]+)\]\((?!/)[^)]*\)", r"\1", hit.excerpt)


def _thing_of(words: str) -> str:
    """What it is about: the words after "for" or "about"."""
    found = re.search(
        r"\b(?:for|about|on)\s+(?:the |our |my |a |an )?([\w][\w '&-]{2,50}?)\s*[.!?]*$", words, re.IGNORECASE
    )
    return found[1].strip() if found and found[1].lower() not in ("me", "us", "it", "campaign", "a campaign") else ""
