"""Sales: scores with their reasons, the next best actions, a proposal, a one-pager."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Card, Cards, Facts, Table, Text
from agents.parts.brief_fields import Ask, Clean, Key, Line, Link, Name, Told, ToldLine, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.playbook_words import allow_link, brand_words, lowered
from agents.parts.report_tasks import LookBrief, cut, make_examples, make_report_task
from agents.parts.result_parts import (
    Finding,
    Lines,
    Part,
    Report,
    ReportAnswer,
    make_figure,
    make_table,
    show_lines,
    write_report,
)
from agents.parts.task_proposals import make_task_entry, propose_tasks
from agents.sources.marketing import read_audience, read_brand, read_campaigns
from agents.sources.readings import gather
from agents.sources.sales import read_scores
from audience.segments import list_segments

HOT_SEGMENT = "Warm and hot contacts"
ACTION_DAYS = 2

# ── Scores ──


def _read_scores(_brief: LookBrief) -> Context:
    return gather((read_scores(), 0.8), (read_audience(), 0.2))


def _complete_scores(_brief: LookBrief, context: Context, answer: ReportAnswer) -> Report:
    scores = context.facts["scores"]
    figures = [
        make_figure("Scored", scores["scored"], "scores"),
        make_figure("Hot", scores["hot"], "scores"),
        make_figure("Warm", scores["warm"], "scores"),
    ]
    rows = [(one["contact"], one["points"], one["reasons"]) for one in context.facts["leads"]]
    leads = make_table(
        "The highest",
        ("Contact", "Points", "Reasons"),
        rows,
        numbers=(1,),
        empty="Nobody is warm yet.",
        link="/contacts/",
    )
    points = make_table("Points", ("For", "Points"), list(context.facts["points"].items()), numbers=(1,))
    return Report(**answer.model_dump(), figures=figures, tables=[leads, points])


def _play_scores(_brief: LookBrief, context: Context) -> ReportAnswer:
    scores, leads = context.facts["scores"], context.facts["leads"]
    findings = []
    if scores["hot"]:
        what = (
            f"{scores['hot']:,} contacts are hot. The highest is {leads[0]['contact']} with "
            f"{leads[0]['points']} points."
        )
        findings.append(Finding(title="Hot contacts", what=what, do="Call or write to them in person this week."))
    if scores["warm"]:
        what = f"{scores['warm']:,} are warm: known, and listening now and then."
        findings.append(Finding(title="Warm contacts", what=what, do="Send them something useful before you sell."))
    calm = Finding(
        title="Nobody is warm yet", what="Nobody has clicked lately.", do="Send a campaign with one clear link."
    )
    return write_report(
        findings,
        good="Nobody has points enough to be called warm yet.",
        bad=f"Of {scores['scored']:,} contacts who may be written to, {scores['hot']:,} are hot and "
        f"{scores['warm']:,} warm.",
        calm=calm,
    )


def _propose_scores(_brief: LookBrief, context: Context, _report: Report) -> list[ProposedAction]:
    scores, marks = context.facts["scores"], context.facts["marks"]
    proposed = []
    if not context.kept["is_scoring"]:
        proposed.append(
            ProposedAction(
                "set_lead_scores",
                "Keep lead scores of all contacts",
                context.kept["scoring"],
                f"{scores['hot']:,} of {scores['scored']:,} who may be written to are hot, {scores['warm']:,} warm.",
                "Each contact's page shows the score with its reasons, contacts can be ordered by it, and segments "
                "can ask for it. It is computed anew every day and when somebody does something.",
                "scores",
            )
        )
    taken = {segment.name.lower() for segment in list_segments()}
    if scores["hot"] + scores["warm"] and HOT_SEGMENT.lower() not in taken:
        proposed.append(
            ProposedAction(
                "draft_segment",
                f"Add the segment “{HOT_SEGMENT}”",
                {
                    "name": HOT_SEGMENT,
                    "description": "Subscribed, and warm or hot by their lead score.",
                    "rules": {
                        "match": "all",
                        "rules": [
                            {"field": "subscription", "operator": "is", "value": "subscribed"},
                            {"field": "score", "operator": "at_least", "value": marks["warm_from"]},
                        ],
                    },
                    "made_by": "Sales Enablement",
                },
                "They listen: what is written to them should be about them.",
                f"{scores['hot'] + scores['warm']:,} contacts once lead scores are kept; who cools down leaves by "
                "themselves.",
                "segment",
            )
        )
    return proposed


LEAD_SCORES = make_report_task(
    "lead_scores",
    "Lead scores",
    "Score contacts",
    "Word the scores of contacts. Points and reasons are computed. Name contacts by #number only.",
    _read_scores,
    _complete_scores,
    _play_scores,
    make_examples(
        ("Each Monday", "Whom to call?", ""),
        ("After a campaign", "Who is warm now?", "The spring letter went out on Friday."),
        ("Before a fair", "Whom to invite?", "We are at the fair next week."),
    ),
    _propose_scores,
)


# ── Next best actions ──


class ActionsBrief(Part):
    """What the team can do."""

    time: Annotated[ToldLine, Ask("How much time is there?", "Such as: an hour a day.")] = ""
    means: Annotated[Told, Ask("What can you do?", "Calls, letters, visits; one in each line.", "text", rows=3)] = ""


class NextAction(Part):
    """One thing to do for one contact."""

    contact: Key
    action: Line
    words: Words


class ActionsAnswer(Part):
    """What the model writes."""

    reading: Words
    actions: Annotated[list[NextAction], Field(max_length=12)]
    for_everybody: Lines


class NextActions(ActionsAnswer):
    """The whole result: each action with its contact's points and reasons."""

    reasons: list[str]


def _complete_actions(_brief: ActionsBrief, context: Context, answer: ActionsAnswer) -> NextActions:
    known = {one["contact"]: f"{one['points']} points: {one['reasons']}" for one in context.facts["leads"]}
    return NextActions(**answer.model_dump(), reasons=[known.get(one.contact, "–") for one in answer.actions])


def _play_actions(brief: ActionsBrief, context: Context) -> ActionsAnswer:
    company = brand_words(context).company
    means = lines_of(brief.means) or ["Write in person", "Call"]
    actions = [
        NextAction(
            contact=one["contact"],
            action=means[at % len(means)][:200],
            words=f"Thank them for looking at {company} lately, ask one question about what they need, and "
            "offer one thing.",
        )
        for at, one in enumerate(context.facts["leads"][:6])
    ]
    reading = "The highest scores first; one action for each, and nothing that asks for more than a minute of theirs."
    return ActionsAnswer(
        reading=reading if actions else "Nobody is warm enough for an action in person yet.",
        actions=actions,
        for_everybody=["Send one useful thing before the next offer.", "Answer each reply the same day."],
    )


def _check_actions(_brief: ActionsBrief, context: Context, result: NextActions) -> list[Check]:
    known = {one["contact"] for one in context.facts["leads"]}
    invented = [one.contact for one in result.actions if one.contact not in known]
    if invented:
        return [Check("contacts", "Contacts", "fail", f"{invented[0]} is not among the contacts that were read.")]
    return [Check("contacts", "Contacts", "pass", "Every contact named was read.")]


def _show_actions(result: NextActions) -> list[Block]:
    rows = [(one.contact, one.action, reason) for one, reason in zip(result.actions, result.reasons, strict=False)]
    words = [Card(f"{one.contact}: {one.action}"[:80], one.words) for one in result.actions]
    return [
        Text(result.reading, "In short"),
        Table("Whom, and why", ("Contact", "Action", "Why"), rows, empty="Nobody is warm yet.", link="/contacts/"),
        *([Cards(words, "What to say")] if words else []),
        *show_lines(result.for_everybody, "For everybody else"),
    ]


def _propose_actions(_brief: ActionsBrief, _context: Context, result: NextActions) -> list[ProposedAction]:
    tasks = [
        make_task_entry(
            f"{one.action} ({one.contact})",
            f"{one.words}\n\nWhy: {reason}.",
            due_in_days=ACTION_DAYS,
            contact_id=int(one.contact.removeprefix("#")),
        )
        for one, reason in zip(result.actions, result.reasons, strict=True)
        if one.contact.removeprefix("#").isdigit()
    ]
    return propose_tasks("Sales Enablement", tasks, "The highest scores, and one thing to do for each of them.")


NEXT_ACTIONS = make_task(
    key="next_actions",
    label="Next best actions",
    verb="Say whom to call",
    job="Say what to do for each of the highest contacts of the data, by #number only: one action, and what to say "
    "in two sentences. Fit it into the time and the means of the brief. for_everybody: what helps with all "
    "others.",
    brief=ActionsBrief,
    answer=ActionsAnswer,
    result=NextActions,
    read=lambda _brief: gather((read_scores(), 0.7), (read_brand(), 0.3)),
    complete=_complete_actions,
    playbook=_play_actions,
    checks=_check_actions,
    propose=_propose_actions,
    show=_show_actions,
    summarise=lambda result: f"{len(result.actions)} actions.",
    examples=(
        BriefExample("An hour a day", "By telephone.", {"time": "An hour a day", "means": "Call"}),
        BriefExample("By letter", "In person.", {"means": "Write a letter by hand\nSend a sample"}),
        BriefExample("Anything", "What helps most?", {"time": ""}),
    ),
)


# ── A proposal ──


class OfferBrief(Part):
    """What a customer needs."""

    customer: Annotated[
        ToldLine, Ask("What kind of customer?", "Such as: a café with two rooms. No names are needed.")
    ] = ""
    needs: Annotated[
        str,
        Clean,
        StringConstraints(min_length=5, max_length=3000),
        Ask("What do they need?", "One thing in each line, in their words.", "text", rows=4),
    ]
    terms: Annotated[
        Told, Ask("Price and terms", "Exactly as you want to offer them; nothing is added.", "text", rows=4)
    ] = ""
    link: Annotated[Link, Ask("Link", kind="link")] = ""


class Answered(Part):
    """A need and how it is met."""

    need: Line
    answer: Words


class OfferAnswer(Part):
    """What the model writes."""

    title: Name
    opening: Words
    needs: Annotated[list[Answered], Field(min_length=1, max_length=10)]
    next_step: Line


class Offer(OfferAnswer):
    """The whole result: the words with the terms as they were given."""

    terms: list[str]
    proofs: list[str]


def _play_offer(brief: OfferBrief, context: Context) -> OfferAnswer:
    brand = brand_words(context, brief.link)
    whom = f" for {lowered(brief.customer.rstrip('.'))}" if brief.customer else ""
    offers = [*brand.offer, *brand.proofs]
    needs = [
        Answered(
            need=need[:200], answer=f"{offers[at % len(offers)]}. We agree on how it fits before anything is ordered."
        )
        for at, need in enumerate(lines_of(brief.needs)[:10])
    ] or [Answered(need=brief.needs[:200], answer=f"{offers[0]}.")]
    return OfferAnswer(
        title=f"A proposal{whom}"[:80],
        opening=f"Thank you for the time you took. This is what {brand.company} understood, and what we propose.",
        needs=needs,
        next_step="Tell us what is missing, and we begin in the week after your yes.",
    )


def _show_offer(offer: Offer) -> list[Block]:
    return [
        Text(offer.opening, offer.title),
        Cards([Card(one.need, one.answer) for one in offer.needs], "What you need, and how we meet it"),
        *show_lines(offer.terms or ["To be agreed."], "Price and terms"),
        *show_lines(offer.proofs, "Good to know"),
        Facts([("Next step", offer.next_step)]),
    ]


SALES_PROPOSAL = make_task(
    key="proposal",
    label="Proposal",
    verb="Write a proposal",
    job="Write a proposal to a customer. For each need of the brief: how the brand meets it, from the brand page "
    "only. The price and terms are added word for word: do not repeat them, and promise nothing beside them.",
    brief=OfferBrief,
    answer=OfferAnswer,
    result=Offer,
    read=lambda brief: allow_link(gather((read_brand(), 1.0)), brief.link),
    complete=lambda brief, context, answer: Offer(
        **answer.model_dump(), terms=lines_of(brief.terms), proofs=brand_words(context).proofs[:4]
    ),
    playbook=_play_offer,
    show=_show_offer,
    summarise=lambda offer: f"{offer.title}: {len(offer.needs)} needs.",
    assume=lambda brief, _context: (
        [] if brief.terms else ["You named no terms, so the document says that they are open."]
    ),
    examples=(
        BriefExample(
            "A café",
            "Regular deliveries.",
            {
                "customer": "A café with two rooms",
                "needs": "Tea each week\nHelp with the menu",
                "terms": "12 € per kilo\nPayment within 14 days",
            },
        ),
        BriefExample(
            "An office", "A small order.", {"customer": "An office", "needs": "Something better than the machine"}
        ),
        BriefExample("An event", "Once.", {"needs": "Tea for a hundred guests\nSomebody who pours it"}),
    ),
)


# ── A one-pager ──


class PagerBrief(Part):
    """What the page is for."""

    topic: Annotated[Line, Ask("What is it about?", "A product, a service, the house.")]
    reader: Annotated[ToldLine, Ask("Who reads it?", "Empty: the audience of the brand page.")] = ""
    points: Annotated[Told, Ask("What must be on it?", "One thing in each line.", "text", rows=4)] = ""
    link: Annotated[Link, Ask("Link", kind="link")] = ""


class PagerAnswer(Part):
    """What the model writes."""

    headline: Name
    lead: Words
    reasons: Annotated[list[Finding], Field(min_length=2, max_length=5)]
    call: Line


class OnePager(PagerAnswer):
    """The whole result."""

    proofs: list[str]
    link: str


def _play_pager(brief: PagerBrief, context: Context) -> PagerAnswer:
    brand = brand_words(context, brief.link)
    topic = brief.topic.rstrip(".")
    points = [line.rstrip(".") for line in lines_of(brief.points)] or [*brand.offer, *brand.proofs]
    points = [*points, "Made by people you can ask"][:4]
    reader = brief.reader.rstrip(".") or brand.audience
    reasons = [Finding(title=cut(point).ljust(2, "."), what=f"{point}.", do="Ask us to show you.") for point in points]
    reasons = (
        reasons
        if len(reasons) > 1
        else [*reasons, Finding(title="Close by", what="You can ask us.", do="Write to us.")]
    )
    return PagerAnswer(
        headline=cut(topic),
        lead=f"For {lowered(reader)}: what {lowered(topic)} is, and why people choose {brand.company} for it.",
        reasons=reasons,
        call="Write to us, and we answer the same day.",
    )


def _show_pager(page: OnePager) -> list[Block]:
    return [
        Text(page.lead, page.headline),
        Cards([Card(one.title, one.what, note=one.do) for one in page.reasons], "Why"),
        *show_lines(page.proofs, "Good to know"),
        Facts([("To begin", page.call), ("Link", page.link or "–")]),
    ]


ONE_PAGER = make_task(
    key="one_pager",
    label="One-pager",
    verb="Write a page to hand over",
    job="Write a page that somebody hands over: headline, lead in two sentences, two to five reasons (title, what it "
    "is, and in do what the reader can do to see it), and a call. Only what the brief and the brand page say.",
    brief=PagerBrief,
    answer=PagerAnswer,
    result=OnePager,
    read=lambda brief: allow_link(gather((read_brand(), 0.9), (read_campaigns(), 0.1)), brief.link),
    complete=lambda brief, context, answer: OnePager(
        **answer.model_dump(), proofs=brand_words(context).proofs[:4], link=brand_words(context, brief.link).link
    ),
    playbook=_play_pager,
    show=_show_pager,
    summarise=lambda page: f"{page.headline}: {len(page.reasons)} reasons.",
    examples=(
        BriefExample("The house", "Who we are.", {"topic": "Our tea house"}),
        BriefExample(
            "A product", "What it is.", {"topic": "First flush green tea", "points": "Light and green\nFrom one garden"}
        ),
        BriefExample("A service", "For offices.", {"topic": "Tea for offices", "reader": "Office managers"}),
    ),
)
