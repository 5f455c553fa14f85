"""A series of mails with its rhythm. LUX has no automations yet, so the result is a document to copy from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agents.base import BriefExample, Check, Context
from agents.parts.blocks import Block, Card, Cards, Text
from agents.parts.brief_fields import Ask, Clean, Line, Link, Name, Prose, Told, Words, choices_of, lines_of
from agents.parts.documents import make_task
from agents.parts.result_parts import Part
from agents.sources.marketing import read_brand, read_campaigns, read_today
from agents.sources.readings import gather, read_computed

Kind = Literal["welcome", "follow_up", "after_purchase", "event", "win_back"]
KINDS = {
    "welcome": "Welcome new contacts",
    "follow_up": "Follow up on an interest",
    "after_purchase": "After a purchase",
    "event": "Before and after an event",
    "win_back": "Win people back",
}
Count = Literal["3", "4", "5"]
# The day of each mail, counted from the first: usual rhythms, dense at first and slower later.
DAYS: dict[str, tuple[int, ...]] = {
    "welcome": (0, 2, 5, 9, 14),
    "follow_up": (0, 3, 7, 12, 20),
    "after_purchase": (0, 3, 10, 21, 30),
    "event": (0, 7, 12, 14, 16),
    "win_back": (0, 7, 14, 28, 42),
}


class SequenceBrief(Part):
    """What a person asks for."""

    kind: Annotated[Kind, Ask("What for", kind="choice", choices=choices_of(KINDS))] = "welcome"
    goal: Annotated[Line, Ask("Goal", "What should people do at the end?")]
    count: Annotated[
        Count, Ask("How many mails", kind="choice", choices=(("3", "Three"), ("4", "Four"), ("5", "Five")))
    ] = "3"
    tell: Annotated[Told, Ask("What to tell", "One thing in each line; each mail takes one.", "text", rows=5)] = ""
    link: Annotated[Link, Ask("Link", "Where the buttons lead.", "link")] = ""


class Mail(Part):
    """One mail of the series, as the model writes it."""

    purpose: Line
    subject: Annotated[str, Clean, Field(min_length=3, max_length=90)]
    preheader: Line
    text: Prose
    button: Name


class SequenceAnswer(Part):
    """What the model writes."""

    name: Name
    idea: Words
    mails: Annotated[list[Mail], Field(min_length=3, max_length=5)]
    stop_rule: Line


class Sequence(SequenceAnswer):
    """The whole result: the mails with their days."""

    days: list[int]
    link: str


def read(brief: SequenceBrief) -> Context:
    """Brand, past results, and the rhythm."""
    days = DAYS[brief.kind][: int(brief.count)]
    rhythm = read_computed("rhythm", "Rhythm", {"days": list(days)}, "LUX's usual rhythm for such a series")
    context = gather((read_brand(), 0.7), (read_campaigns(), 0.3), (rhythm, 0.0), (read_today(), 0.0))
    if brief.link and brief.link not in context.facts["allowed_links"]:
        context.facts["allowed_links"].insert(0, brief.link)
    return context


def complete(brief: SequenceBrief, context: Context, answer: SequenceAnswer) -> Sequence:
    """The mails with their days."""
    days = context.facts["days"][: len(answer.mails)]
    return Sequence(**answer.model_dump(), days=days, link=_link(brief, context))


def _link(brief: SequenceBrief, context: Context) -> str:
    links = context.facts["allowed_links"]
    return brief.link or (links[0] if links else "")


def playbook(brief: SequenceBrief, context: Context) -> SequenceAnswer:
    """A whole series from the brief and the brand page."""
    brand = context.facts["brand"]
    company = str(brand["company"]) or "us"
    things = lines_of(brief.tell) or [*lines_of(brand["offer"]), *map(str, brand["proof_points"])]
    things = things or ["What we do, and for whom"]
    mails = [_mail(brief, company, things, at) for at in range(int(brief.count))]
    return SequenceAnswer(
        name=f"{KINDS[brief.kind]}: {brief.goal}"[:80].rstrip(),
        idea=f"One thing in each mail, shortest first, and every mail leads to the same goal: {brief.goal}",
        mails=mails,
        stop_rule="Leave the series as soon as the goal is reached, and when somebody replies or unsubscribes.",
    )


OPENINGS = {
    "welcome": (
        "Welcome",
        "A first thing to look at",
        "What people ask us first",
        "How others use it",
        "Your next step",
    ),
    "follow_up": (
        "You asked about this",
        "One thing worth knowing",
        "What it looks like in use",
        "An answer",
        "Still on?",
    ),
    "after_purchase": (
        "Thank you",
        "Get the most out of it",
        "How is it going?",
        "Something that fits",
        "One question",
    ),
    "event": ("You are invited", "What to expect", "Nearly there", "Today", "Thank you for coming"),
    "win_back": ("It has been a while", "What is new", "Shall we keep writing?", "A last word", "Goodbye, or stay"),
}


def _mail(brief: SequenceBrief, company: str, things: list[str], at: int) -> Mail:
    thing = things[at % len(things)].rstrip(".")
    opening = OPENINGS[brief.kind][at]
    text = (
        f"Hello {{{{first_name|there}}}},\n\n{thing}.\n\n"
        + ("This is the first of a few short mails; each has one thing in it.\n\n" if at == 0 else "")
        + f"If you have a question, just reply.\n\nWarm regards,\n{company}"
    )
    return Mail(
        purpose=f"{opening}: one thing, {thing[0].lower()}{thing[1:]}"[:200],
        subject=f"{opening} from {company}"[:90] if at == 0 else f"{opening}: {thing}"[:60].rstrip(),
        preheader=f"{thing}. Two minutes to read."[:200],
        text=text,
        button="Take a look" if at == 0 else "Read more",
    )


def check(brief: SequenceBrief, context: Context, sequence: Sequence) -> list[Check]:
    """Whether there are as many mails as were asked for, each different, each with somewhere to go."""
    checks = []
    if len(sequence.mails) != int(brief.count):
        detail = f"{len(sequence.mails)} mails; the brief asks for {brief.count}."
        checks.append(Check("count", "Mails", "fail", detail))
    else:
        checks.append(Check("count", "Mails", "pass", f"{brief.count} mails, as asked for."))
    subjects = {mail.subject.lower() for mail in sequence.mails}
    if len(subjects) < len(sequence.mails):
        checks.append(Check("subjects", "Subjects", "fail", "Two mails have the same subject."))
    if not context.facts["allowed_links"]:
        detail = "There is no link for the buttons. Give one in the brief or on the brand page."
        checks.append(Check("button", "Buttons", "warn", detail))
    return checks


def show(sequence: Sequence) -> list[Block]:
    """The series for page and document."""
    cards = [
        Card(
            f"Day {day}: {mail.subject}",
            mail.text,
            (("Preheader", mail.preheader), ("Button", f"{mail.button} → {sequence.link or 'a link to be chosen'}")),
            mail.purpose,
        )
        for day, mail in zip(sequence.days, sequence.mails, strict=False)
    ]
    return [Text(sequence.idea, sequence.name), Cards(cards, "Mails"), Text(sequence.stop_rule, "When it ends")]


SEQUENCE = make_task(
    key="sequence",
    label="Sequence",
    verb="Write a series of mails",
    job="Write a series of e-mails. Exactly as many mails as the brief's count, one thing in each, in the order in "
    "which people get them; the days are given in the data, do not repeat them. For each: its purpose, a subject "
    "of 20 to 60 characters, a preheader, a text of 40 to 150 words that begins with Hello {{first_name|there}}, "
    "and the words of its one button. idea: the thread through all of them in two sentences. stop_rule: when "
    "somebody leaves the series.",
    brief=SequenceBrief,
    answer=SequenceAnswer,
    result=Sequence,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    show=show,
    summarise=lambda sequence: f"{sequence.name}: {len(sequence.mails)} mails over {sequence.days[-1]} days.",
    assume=lambda brief, context: [
        "LUX cannot send a series by itself yet: each mail is copied into a campaign, or the document is handed over.",
        *([] if brief.tell else ["You gave nothing to tell, so the mails lean on the brand page."]),
    ],
    examples=(
        BriefExample(
            "A welcome series",
            "Who we are, what to try, where to begin.",
            {"kind": "welcome", "goal": "Make a first order", "tell": "Who we are\nOur three favourites\nHow to order"},
        ),
        BriefExample(
            "After a purchase",
            "Thank, help, ask.",
            {"kind": "after_purchase", "goal": "Come back for a second order", "count": "4"},
        ),
        BriefExample(
            "Before an event",
            "Invite, inform, remind.",
            {
                "kind": "event",
                "goal": "Come to the tasting",
                "count": "3",
                "tell": "The place\nThe programme\nHow to get there",
            },
        ),
    ),
    longest_answer_tokens=4000,
)
