"""The brief of an e-mail campaign, what the agent reads for it, and the shape of what it writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from agents.base import BriefExample
from agents.parts.blocks import Block, Facts, Text
from agents.parts.brief_fields import Ask, Clean, Link, RowId, Told, choices_of, one_line

Kind = Literal["newsletter", "offer", "announcement", "win_back", "event", "welcome"]
KINDS: dict[str, str] = {
    "newsletter": "Newsletter: keep in touch",
    "offer": "Offer: sell one thing",
    "announcement": "Announcement: tell some news",
    "win_back": "Win-back: reach people who went quiet",
    "event": "Event: invite people",
    "welcome": "Welcome: greet new contacts",
}
Tone = Literal["brand", "warm", "plain", "playful", "formal"]
TONES: dict[str, str] = {
    "brand": "As the brand page says",
    "warm": "Warm",
    "plain": "Plain and short",
    "playful": "Playful",
    "formal": "Formal",
}
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
BlockKind = Literal["heading", "text", "button", "divider"]


class CampaignBrief(BaseModel):
    """What a person asks for."""

    model_config = ConfigDict(extra="ignore")

    kind: Annotated[Kind, Ask("What kind of campaign", kind="choice", choices=choices_of(KINDS))] = "newsletter"
    goal: Annotated[
        str,
        Clean,
        StringConstraints(min_length=10, max_length=2000),
        Ask("Goal", "What should it achieve? Readers do not see this.", "text"),
    ]
    offer: Annotated[
        Told,
        Ask(
            "What to tell",
            "One thing in each line. Only what stands here or on the brand page is stated as a fact.",
            "text",
            rows=4,
        ),
    ] = ""
    segment_id: Annotated[RowId, Ask("Audience", kind="segment")] = None
    link: Annotated[Link, Ask("Link", "Where the button leads. Empty: the first link of the brand page.", "link")] = ""
    tone: Annotated[Tone, Ask("Tone", kind="choice", choices=choices_of(TONES))] = "brand"
    must_include: Annotated[
        str,
        Clean,
        StringConstraints(max_length=1000),
        Ask("Must include", "Word for word, one in each line.", "text", rows=2),
    ] = ""

    @property
    def must_lines(self) -> list[str]:
        return [line.strip() for line in self.must_include.splitlines() if line.strip()]


class DraftBlock(BaseModel):
    """One block. heading: text. text: paragraphs with **bold** and - items. button: label and url. divider: nothing."""

    model_config = ConfigDict(extra="forbid")

    kind: BlockKind
    text: Annotated[str, Clean, StringConstraints(max_length=4000)] = ""
    label: Annotated[str, Clean, StringConstraints(max_length=80)] = ""
    url: Annotated[str, Clean, StringConstraints(max_length=2000)] = ""


Subject = Annotated[str, Clean, StringConstraints(min_length=3, max_length=120), AfterValidator(one_line)]


class CampaignWords(BaseModel):
    """What the model writes."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Clean, StringConstraints(min_length=3, max_length=120), AfterValidator(one_line)]
    subjects: Annotated[list[Subject], Field(min_length=3, max_length=5)]
    preheader: Annotated[str, Clean, StringConstraints(max_length=200), AfterValidator(one_line)]
    blocks: Annotated[list[DraftBlock], Field(min_length=2, max_length=24)]


class SendTime(BaseModel):
    """When to send, computed from when people clicked; never from the model."""

    weekday: Weekday
    hour: Annotated[int, Field(ge=0, le=23)]
    reason: str


class EmailCampaign(CampaignWords):
    """The whole result: the words, the subject that was chosen, and when to send."""

    chosen_subject: Annotated[int, Field(ge=0, le=4)] = 0
    send_time: SendTime

    @property
    def subject(self) -> str:
        return self.subjects[min(self.chosen_subject, len(self.subjects) - 1)]

    def to_content(self) -> dict[str, Any]:
        """The draft as a campaign's content; its text part is made from the blocks."""
        return {
            "subject": self.subject,
            "preheader": self.preheader,
            "blocks": [*(_content_block(block) for block in self.blocks), {"kind": "footer", "text": ""}],
        }


def _content_block(block: DraftBlock) -> dict[str, Any]:
    if block.kind == "heading":
        return {"kind": "heading", "text": block.text, "level": 1}
    if block.kind == "button":
        return {"kind": "button", "label": block.label, "url": block.url}
    return {"kind": "text", "text": block.text} if block.kind == "text" else {"kind": "divider"}


def list_texts(words: CampaignWords) -> list[tuple[str, str]]:
    """Every text that a reader sees, with its place."""
    texts = [(f"subjects.{at}", subject) for at, subject in enumerate(words.subjects)]
    texts.append(("preheader", words.preheader))
    for at, block in enumerate(words.blocks):
        texts += [(f"blocks.{at}.text", block.text), (f"blocks.{at}.label", block.label)]
    return [(place, text) for place, text in texts if text]


def tell_words(partial: Mapping[str, Any]) -> str:
    """A draft, whole or half, as a person reads it."""
    lines: list[str] = []
    given, blocks = partial.get("subjects"), partial.get("blocks")
    subjects = [subject for subject in given if isinstance(subject, str)] if isinstance(given, list) else []
    if partial.get("name"):
        lines += [f"Campaign: {partial['name']}", ""]
    if subjects:
        lines += ["Subjects:", *(f"  {number}. {subject}" for number, subject in enumerate(subjects, 1)), ""]
    if partial.get("preheader"):
        lines += [f"Preheader: {partial['preheader']}", ""]
    for block in blocks if isinstance(blocks, list) else []:
        lines += _tell_block(block) if isinstance(block, Mapping) else []
    return "\n".join(lines).rstrip("\n")


def _tell_block(block: Mapping[str, Any]) -> list[str]:
    kind, text = block.get("kind"), str(block.get("text") or "")
    if kind == "heading":
        return [f"# {text}", ""]
    if kind == "button":
        return [f"[ {block.get('label') or ''} ]", ""] if block.get("label") else []
    if kind == "divider":
        return ["—", ""]
    return [text, ""] if text else []


def show_campaign(campaign: EmailCampaign) -> list[Block]:
    """The whole result as a document."""
    subjects = "\n".join(
        f"- {subject}{' (chosen)' if subject == campaign.subject else ''}" for subject in campaign.subjects
    )
    body = tell_words({"blocks": [block.model_dump() for block in campaign.blocks]})
    links = [(block.label, block.url) for block in campaign.blocks if block.url]
    when = f"{campaign.send_time.weekday.capitalize()} at {campaign.send_time.hour:02}:00. {campaign.send_time.reason}"
    return [
        Text(campaign.name, "Campaign"),
        Text(subjects, "Subjects"),
        Text(campaign.preheader, "Preheader"),
        Text(body, "Body"),
        *([Facts(links, "Links")] if links else []),
        Text(when, "Suggested time"),
    ]


EXAMPLES = (
    BriefExample(
        "A monthly newsletter",
        "Three pieces of news and one thing to do.",
        {
            "kind": "newsletter",
            "goal": "Keep subscribers in touch with what is new this month and bring them to the website.",
            "offer": "A new arrival in the shop\nOpening hours change next month\nA short story from behind the scenes",
        },
    ),
    BriefExample(
        "A seasonal offer",
        "One offer, one reason, one deadline.",
        {
            "kind": "offer",
            "goal": "Sell the seasonal set to people who know us, before the season ends.",
            "offer": "The seasonal set at a special price for subscribers, until the end of the month",
        },
    ),
    BriefExample(
        "Win back quiet readers",
        "A friendly question to people who stopped opening.",
        {
            "kind": "win_back",
            "goal": "Ask readers who have not opened anything for three months whether they want to stay.",
            "offer": "",
            "tone": "warm",
        },
    ),
)
