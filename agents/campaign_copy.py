"""The playbook of e-mail campaigns: whole drafts from brief, brand and data, without a model.

To add a kind of campaign, write a function that takes Material and list it in WRITERS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agents.base import Context
from agents.campaign_brief import CampaignBrief, CampaignWords, DraftBlock

LONGEST_SUBJECT = 60
LONGEST_TOPIC = 40
MOST_ITEMS = 6
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z“\"0-9])")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+")
# What people put before the thing itself when they tell somebody what to write.
_ASKING = re.compile(
    r"^(?:please\s+)?(?:tell|remind|inform|let)\s+(?:people|readers|them|customers|everybody)(?:\s+know)?\s+(?:about\s+|that\s+)?",
    re.I,
)


@dataclass(frozen=True)
class Material:
    """Everything that a draft is made of."""

    brief: CampaignBrief
    company: str
    items: list[str]
    about: list[str]
    proofs: list[str]
    link: str
    month: str
    tone: str

    @property
    def we(self) -> str:
        return self.company or "we"

    @property
    def at_company(self) -> str:
        return f" at {self.company}" if self.company else ""

    @property
    def from_company(self) -> str:
        return f" from {self.company}" if self.company else ""

    @property
    def topic(self) -> str:
        """The first thing that there is to say, short enough for a subject."""
        return shorten(self.items[0], LONGEST_TOPIC) if self.items else ""


def write_campaign(brief: CampaignBrief, context: Context) -> CampaignWords:
    """A complete, usable draft."""
    material = _gather(brief, context.facts)
    words = WRITERS[brief.kind](material)
    avoided = [str(word).lower() for word in context.facts["brand"]["words_to_avoid"]]
    return words.model_copy(update={"subjects": _choose_subjects(words.subjects, avoided)})


def write_newsletter(material: Material) -> CampaignWords:
    """Several pieces of news, each a paragraph, one way to read on."""
    items = material.items or [*material.about, *material.proofs][:4] or ["What we have been working on"]
    count = COUNTS[len(items)] if len(items) < len(COUNTS) else "several"
    topic = shorten(items[0], LONGEST_TOPIC)
    opening = {
        "formal": "We would like to share with you what is new since our last letter.",
        "playful": "Grab a cup of something nice: here is what happened since we last wrote.",
        "plain": "Here is what is new.",
    }.get(material.tone, "It is good to be in touch again. Here is what is new since we last wrote.")
    return CampaignWords(
        name=f"Newsletter, {material.month}",
        subjects=[
            f"{topic}, and more",
            f"What is new{material.at_company} this {material.month}",
            f"{count.capitalize()} {'thing' if len(items) == 1 else 'things'} from us this {material.month}",
            f"News{material.from_company}: {_lower(topic)}",
            f"Your {material.month} update{material.from_company}",
        ],
        preheader=_preheader(items, "A short read with what is new, and one thing to look at."),
        blocks=[
            _heading(f"What is new{material.at_company}"),
            _text(f"{_greeting(material)}\n\n{opening}"),
            *(_text(_paragraph(item)) for item in items),
            *_must(material),
            *_button(material, "Read more"),
            _text(f"That is all for now. If you have a question, just reply to this message.\n\n{_close(material)}"),
        ],
    )


def write_offer(material: Material) -> CampaignWords:
    """One offer: what it is, why it is worth it, how to get it."""
    offer = material.items or material.about[:1] or ["Something special for the readers of this letter"]
    topic = shorten(offer[0], LONGEST_TOPIC)
    opening = {
        "formal": "As one of our subscribers, you are among the first to hear of this.",
        "playful": "We have something nice for you, and you hear it first.",
        "plain": "Here is an offer for you.",
    }.get(material.tone, "You are one of our readers, so you hear of this before anybody else.")
    details = [_text("**What you get**\n\n" + _bullets(offer[1:]))] if len(offer) > 1 else []
    reasons = material.proofs or material.about[:2]
    why = [_text(f"**Why people choose {material.company or 'us'}**\n\n" + _bullets(reasons))] if reasons else []
    return CampaignWords(
        name=f"Offer: {topic}",
        subjects=[
            topic,
            f"For our readers: {_lower(topic)}" if material.items else f"A closer look{material.at_company}",
            "{{first_name|Hello}}, this one is for you",
            f"You are the first to hear{material.from_company}",
            f"An offer{material.from_company} worth a look",
        ],
        preheader=_preheader(offer[1:] or reasons, "What it is, what it brings you, and how to get it."),
        blocks=[
            _heading(shorten(offer[0], 80)),
            _text(f"{_greeting(material)}\n\n{opening} {_sentence(offer[0])}"),
            *details,
            *_must(material),
            *_button(material, "See the offer"),
            *why,
            _text(
                f"Not sure whether it fits? Reply to this message and we will help you decide.\n\n{_close(material)}"
            ),
        ],
    )


def write_announcement(material: Material) -> CampaignWords:
    """One piece of news: what changed, what it means for the reader, where to learn more."""
    news = material.items or material.about or [f"There is news{material.from_company}"]
    topic = shorten(news[0], LONGEST_TOPIC)
    opening = {
        "formal": "We are writing to let you know about a change.",
        "playful": "We can finally tell you.",
        "plain": "We have news.",
    }.get(material.tone, "We have news, and we wanted you to have it from us.")
    meaning = [_text("**What this means for you**\n\n" + _bullets(news[1:]))] if len(news) > 1 else []
    return CampaignWords(
        name=f"Announcement: {topic}",
        subjects=[
            topic,
            f"News{material.from_company}: {_lower(topic)}",
            f"We have news for you{material.from_company}",
            f"Something new{material.at_company}",
            "What changes, and what it means for you",
        ],
        preheader=_preheader(news[1:], "What is new, what it means for you, and where to read more."),
        blocks=[
            _heading(shorten(news[0], 80)),
            _text(f"{_greeting(material)}\n\n{opening} {_sentence(news[0])}"),
            *meaning,
            *_must(material),
            *_button(material, "Learn more"),
            _text(f"Do you have a question? Just reply to this message.\n\n{_close(material)}"),
        ],
    )


def write_win_back(material: Material) -> CampaignWords:
    """An honest question to people who went quiet: what they missed, and an easy way to stay or to go."""
    missed = material.items or material.about[:3]
    opening = {
        "formal": "It has been some time since you last opened one of our letters.",
        "playful": "It has been a while, and we noticed.",
        "plain": "You have not opened our letters for a while.",
    }.get(material.tone, "It has been a while since we heard from you, and we would rather ask than guess.")
    since = [_text("**What you would find now**\n\n" + _bullets(missed))] if missed else []
    return CampaignWords(
        name=f"Win-back, {material.month}",
        subjects=[
            "Shall we keep writing to you?",
            "{{first_name|Hello}}, are you still with us?",
            "It has been a while",
            "Stay or go: one click, no hard feelings",
            f"What you missed{material.at_company}",
        ],
        preheader="One honest question. Stay, or leave with one click at the end of this message.",
        blocks=[
            _heading("Shall we keep in touch?"),
            _text(
                f"{_greeting(material)}\n\n{opening}\n\nIf you would like to go on hearing from us, there is nothing "
                "to fill in: one click below is enough. It tells us that these letters are welcome."
            ),
            *since,
            *_must(material),
            *_button(material, "Yes, keep me in the loop"),
            _text(
                "And if your interests have moved on, that is fine too. The unsubscribe link at the end of this "
                f"message works at once, and we will not ask again.\n\n{_close(material)}"
            ),
        ],
    )


def write_event(material: Material) -> CampaignWords:
    """An invitation: what, when, where, and a button to say yes."""
    facts = material.items or [f"An event{material.at_company}"]
    topic = shorten(facts[0], LONGEST_TOPIC)
    opening = {
        "formal": "We have the pleasure of inviting you.",
        "playful": "Keep this one free in your calendar.",
        "plain": "You are invited.",
    }.get(material.tone, "We would love to have you with us.")
    details = [_text("**The details**\n\n" + _bullets(facts[1:]))] if len(facts) > 1 else []
    return CampaignWords(
        name=f"Invitation: {topic}",
        subjects=[
            f"You are invited: {_lower(topic)}",
            topic,
            f"{{{{first_name|Hello}}}}, will you join us{material.at_company}?"[: LONGEST_SUBJECT + 13],
            f"An invitation{material.from_company}",
            "Save the date, and bring a friend",
        ],
        preheader=_preheader(facts[1:], "What, when and where, and a button to save your place."),
        blocks=[
            _heading(shorten(facts[0], 80)),
            _text(f"{_greeting(material)}\n\n{opening} {_sentence(facts[0])}"),
            *details,
            *_must(material),
            *_button(material, "Save my place"),
            _text(f"Cannot make it? Reply with a word, and we will tell you about the next one.\n\n{_close(material)}"),
        ],
    )


def write_welcome(material: Material) -> CampaignWords:
    """A greeting: who we are, what one will get, one first thing to do."""
    expect = material.items or ["News when there is some, and nothing when there is none"]
    opening = {
        "formal": "Thank you for your subscription.",
        "playful": "You are in, and we are glad.",
        "plain": "Thank you for signing up.",
    }.get(material.tone, "Thank you for signing up. We are glad you are here.")
    about = " ".join(_sentence(line) for line in material.about[:2])
    proofs = [_text(f"**Good to know about {material.company or 'us'}**\n\n" + _bullets(material.proofs))]
    return CampaignWords(
        name=f"Welcome{material.from_company and ', ' + material.company}"[:120],
        subjects=[
            f"Welcome{' to ' + material.company if material.company else ', and thank you'}"[:LONGEST_SUBJECT],
            "{{first_name|Hello}}, good to have you with us",
            f"You are in: what to expect{material.from_company}",
            "Thank you for joining us",
            "Start here",
        ],
        preheader="Who we are, what you will get from us, and a first thing to look at.",
        blocks=[
            _heading(f"Welcome{' to ' + material.company if material.company else ''}"),
            _text(f"{_greeting(material)}\n\n{opening}" + (f"\n\n{about}" if about else "")),
            _text("**What you can expect**\n\n" + _bullets(expect)),
            *(proofs if material.proofs else []),
            *_must(material),
            *_button(material, "Take a first look"),
            _text(
                "You can change what you receive, or leave, with the links at the end of every message. And if you "
                f"have a question, just reply.\n\n{_close(material)}"
            ),
        ],
    )


WRITERS: dict[str, Callable[[Material], CampaignWords]] = {
    "newsletter": write_newsletter,
    "offer": write_offer,
    "announcement": write_announcement,
    "win_back": write_win_back,
    "event": write_event,
    "welcome": write_welcome,
}


def shorten(text: str, most: int) -> str:
    """The text within so many characters, cut at a word, without a full stop at its end."""
    text = " ".join(text.split()).rstrip(" .,;:!")
    if len(text) <= most:
        return text
    first = re.split(r"[.;:!?]\s|,\s|\s[–—-]\s", text)[0]
    if 12 <= len(first) <= most:
        return first
    kept = text[: most + 1].rsplit(" ", 1)[0]
    # A line that ends in a little word reads as cut off.
    while re.search(r"\s(?:a|an|the|of|for|and|or|to|in|on|at|with|is|are|our|your|until|by|from|that)$", kept, re.I):
        kept = kept.rsplit(" ", 1)[0]
    return kept.rstrip(" .,;:!–—-")


def _gather(brief: CampaignBrief, facts: dict[str, Any]) -> Material:
    brand = facts["brand"]
    items = _lines(brief.offer)
    allowed = facts["allowed_links"]
    return Material(
        brief=brief,
        company=" ".join(str(brand["company"]).split())[:40],
        items=items[:MOST_ITEMS],
        about=_lines(str(brand["offer"]))[:3],
        proofs=[str(proof) for proof in brand["proof_points"]][:3],
        link=brief.link or (allowed[0] if allowed else ""),
        month=str(facts["month"]),
        tone=_tone(brief, str(brand["voice"])),
    )


def _lines(text: str) -> list[str]:
    lines = [_ASKING.sub("", _BULLET.sub("", line)).strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) == 1:
        lines = [sentence.strip() for sentence in _SENTENCE.split(lines[0]) if sentence.strip()]
    return [line[0].upper() + line[1:] for line in lines]


def _tone(brief: CampaignBrief, voice: str) -> str:
    if brief.tone != "brand":
        return brief.tone
    lowered = voice.lower()
    if re.search(r"\b(formal|polite|serious|respectful|official)\b", lowered):
        return "formal"
    if re.search(r"\b(playful|humou?r|funny|cheeky|witty|fun)\b", lowered):
        return "playful"
    is_plain = re.search(r"\b(short|terse|plain|matter-of-fact|sober)\b", lowered) and "warm" not in lowered
    return "plain" if is_plain else "warm"


def _choose_subjects(subjects: list[str], avoided: list[str]) -> list[str]:
    """Different subjects that show whole and avoid the brand's words; at least three whatever happens."""
    spare = ["A short note for you", "Something new to read", "A few lines from us", "Worth two minutes of your time"]
    different = list(dict.fromkeys(subject.strip() for subject in [*subjects, *spare]))
    fit = [
        subject
        for subject in different
        if len(re.sub(r"\{\{[^{}]*\}\}", "Alexander", subject)) <= LONGEST_SUBJECT
        and not any(word and word in subject.lower() for word in avoided)
    ]
    return (fit if len(fit) >= 3 else different)[:5]


def _greeting(material: Material) -> str:
    if material.tone == "formal":
        return "Dear {{first_name|reader}},"
    return "Hi {{first_name|there}}," if material.tone == "playful" else "Hello {{first_name|there}},"


def _close(material: Material) -> str:
    words = {"formal": "Kind regards", "playful": "Until soon", "plain": "Best"}.get(material.tone, "Warm regards")
    return f"{words},\n{material.company or 'The team'}"


def _heading(text: str) -> DraftBlock:
    return DraftBlock(kind="heading", text=text)


def _text(text: str) -> DraftBlock:
    return DraftBlock(kind="text", text=text)


def _button(material: Material, label: str) -> list[DraftBlock]:
    return [DraftBlock(kind="button", label=label, url=material.link)] if material.link else []


def _must(material: Material) -> list[DraftBlock]:
    lines = material.brief.must_lines
    return [_text("**Please note**\n\n" + _bullets(lines))] if lines else []


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _paragraph(item: str) -> str:
    """An item with its first words in bold where it has a title: "Title: the rest"."""
    title, colon, rest = item.partition(": ")
    if colon and len(title) <= 60:
        return f"**{title}**\n\n{_sentence(rest[:1].upper() + rest[1:])}"
    return _sentence(item) if len(item) > 60 else f"**{item.rstrip('.')}**"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _lower(text: str) -> str:
    """The text inside of a sentence: its first letter small, unless the word is a name or an abbreviation."""
    first = text.split(" ", 1)[0]
    is_ordinary = first[1:] == first[1:].lower() and first.lower() in _ORDINARY
    return text[0].lower() + text[1:] if text and is_ordinary else text


_ORDINARY = frozenset(
    (
        "a", "an", "the", "our", "your", "new", "we", "you", "this", "that", "these", "those", "every", "all", "some",
        "more", "less", "two", "three", "four", "five", "now", "until", "from", "free", "something", "join", "meet",
        "see", "get", "save", "try", "one", "it", "is", "there", "what", "how", "why", "when",
    )
)  # fmt: skip


def _preheader(lines: list[str], otherwise: str) -> str:
    told = ". ".join(shorten(line, 60) for line in lines[:2])
    return f"{told}." if 30 <= len(told) <= 120 else otherwise
