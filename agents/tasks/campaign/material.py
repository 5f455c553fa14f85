"""What the playbook's e-mail drafts are made of: brief, brand and data as material, and the pieces of a letter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agents.tasks.campaign.brief import CampaignBrief, DraftBlock

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


def gather_material(brief: CampaignBrief, facts: dict[str, Any]) -> Material:
    """Everything that a draft is made of, from the brief and the facts."""
    brand = facts["brand"]
    items = lines_of_text(brief.offer)
    allowed = facts["allowed_links"]
    return Material(
        brief=brief,
        company=" ".join(str(brand["company"]).split())[:40],
        items=items[:MOST_ITEMS],
        about=lines_of_text(str(brand["offer"]))[:3],
        proofs=[str(proof) for proof in brand["proof_points"]][:3],
        link=brief.link or (allowed[0] if allowed else ""),
        month=str(facts["month"]),
        tone=tone_of(brief, str(brand["voice"])),
    )


def lines_of_text(text: str) -> list[str]:
    """The things that a text tells, one each: its lines, or the sentences of a single one."""
    lines = [_ASKING.sub("", _BULLET.sub("", line)).strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) == 1:
        lines = [sentence.strip() for sentence in _SENTENCE.split(lines[0]) if sentence.strip()]
    return [line[0].upper() + line[1:] for line in lines]


def tone_of(brief: CampaignBrief, voice: str) -> str:
    """The brief's tone, or the one that the brand's voice speaks of."""
    if brief.tone != "brand":
        return brief.tone
    lowered = voice.lower()
    if re.search(r"\b(formal|polite|serious|respectful|official)\b", lowered):
        return "formal"
    if re.search(r"\b(playful|humou?r|funny|cheeky|witty|fun)\b", lowered):
        return "playful"
    is_plain = re.search(r"\b(short|terse|plain|matter-of-fact|sober)\b", lowered) and "warm" not in lowered
    return "plain" if is_plain else "warm"


def choose_subjects(subjects: list[str], avoided: list[str]) -> list[str]:
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


def greeting(material: Material) -> str:
    """The first line of a letter."""
    if material.tone == "formal":
        return "Dear {{first_name|reader}},"
    return "Hi {{first_name|there}}," if material.tone == "playful" else "Hello {{first_name|there}},"


def closing(material: Material) -> str:
    """The last lines of a letter."""
    words = {"formal": "Kind regards", "playful": "Until soon", "plain": "Best"}.get(material.tone, "Warm regards")
    return f"{words},\n{material.company or 'The team'}"


def heading(text: str) -> DraftBlock:
    """A heading."""
    return DraftBlock(kind="heading", text=text)


def text_block(text: str) -> DraftBlock:
    """A text."""
    return DraftBlock(kind="text", text=text)


def button(material: Material, label: str) -> list[DraftBlock]:
    """The button, where there is a link."""
    return [DraftBlock(kind="button", label=label, url=material.link)] if material.link else []


def must_block(material: Material) -> list[DraftBlock]:
    """What must be included, word for word."""
    lines = material.brief.must_lines
    return [text_block("**Please note**\n\n" + bullets(lines))] if lines else []


def bullets(lines: list[str]) -> str:
    """Lines as a list."""
    return "\n".join(f"- {line}" for line in lines)


def paragraph(item: str) -> str:
    """An item with its first words in bold where it has a title: "Title: the rest"."""
    title, colon, rest = item.partition(": ")
    if colon and len(title) <= 60:
        return f"**{title}**\n\n{sentence(rest[:1].upper() + rest[1:])}"
    return sentence(item) if len(item) > 60 else f"**{item.rstrip('.')}**"


def sentence(text: str) -> str:
    """The text with a full stop at its end."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."


def lower_first(text: str) -> str:
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


def make_preheader(lines: list[str], otherwise: str) -> str:
    """What goes on where the subject stops."""
    told = ". ".join(shorten(line, 60) for line in lines[:2])
    return f"{told}." if 30 <= len(told) <= 120 else otherwise
