"""A win-back campaign: the e-mail draft of Email & CRM, with the brief and the segment of people who went quiet."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from agents.base import BriefExample, Context, ProposedAction, Task
from agents.parts.brief_fields import Ask, Clean, RowId, Told
from agents.parts.segment_proposals import SUBSCRIBED, all_of, propose_segment, rule
from agents.sources.marketing import LOST_DAYS, QUIET_DAYS, read_audience
from agents.tasks.campaign.brief import CampaignBrief, EmailCampaign
from agents.tasks.campaign.context import read_campaign_context
from agents.tasks.campaign.task import CAMPAIGN, propose

AGENT_NAME = "Customer Retention & Loyalty"


class WinBackBrief(CampaignBrief):
    """The brief of a campaign whose kind is known."""

    kind: Literal["win_back"] = "win_back"
    goal: Annotated[
        str,
        Clean,
        StringConstraints(min_length=10, max_length=2000),
        Ask("Goal", "What should they do? Readers do not see this.", "text"),
    ] = "Ask people who went quiet whether they would like to stay, and give them a reason to."
    offer: Annotated[
        Told,
        Ask("What is new, or what you offer them", "One thing in each line. Empty: the brand page.", "text", rows=4),
    ] = ""
    segment_id: Annotated[RowId, Ask("Audience", kind="segment")] = None


def read(brief: CampaignBrief) -> Context:
    """What a campaign reads, and how many people went quiet."""
    context = read_campaign_context(brief)
    audience = read_audience()
    facts = {**context.facts, "quiet": audience.facts["audience"]["quiet_or_lost"]}
    return Context([*context.evidence, audience.evidence], facts, context.coverage, context.kept)


def propose_win_back(brief: CampaignBrief, context: Context, campaign: EmailCampaign) -> list[ProposedAction]:
    """The draft in Campaigns; and, where no segment was chosen, the segment that it is for."""
    drafts = [
        dataclasses.replace(one, payload={**one.payload, "made_by": AGENT_NAME})
        for one in propose(brief, context, campaign)
    ]
    if context.facts["segment"] is not None:
        return drafts
    rules = all_of(
        SUBSCRIBED, rule("received", "within_days", LOST_DAYS), rule("opened", "not_within_days", QUIET_DAYS)
    )
    reason = "The campaign is for people who get mail and have not opened for three months."
    segment = propose_segment("Gone quiet", rules, reason=reason, made_by=AGENT_NAME, slot="segment")
    return [*drafts, *segment]


WIN_BACK: Task[Any, Any] = dataclasses.replace(
    CAMPAIGN,
    key="win_back",
    label="Win-back",
    verb="Write a win-back campaign",
    brief=WinBackBrief,
    read=read,
    propose=propose_win_back,
    examples=(
        BriefExample("An honest question", "Stay or go, no hard feelings.", {"tone": "warm"}),
        BriefExample(
            "With what is new",
            "What they missed.",
            {"offer": "A new arrival in the shop\nShorter letters from now on", "tone": "plain"},
        ),
        BriefExample(
            "A last letter",
            "Before you stop writing.",
            {"goal": "Say goodbye kindly, and keep those who answer.", "tone": "plain"},
        ),
    ),
)
