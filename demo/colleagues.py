"""The demo's agents at work: each has done every one of its tasks by its playbook, and people have decided on some.

What a brief says beside its task's own first example stands in BRIEFS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accounts.users import get_user
from agents import AGENTS
from agents.base import Agent, Task
from agents.proposals import add_proposals, approve_proposal, refuse_proposal, undo_proposal
from agents.runner import carry_out_run
from agents.runs import get_run, start_run
from agents.schedules import add_schedule
from demo.team import Person, Team
from errors import Conflict, InputInvalid
from models import Proposal

BRIEFS: dict[str, dict[str, str]] = {
    "content_seo.article": {
        "topic": "How long tea keeps",
        "points": "Green tea is best within a year\nLight and air flatten it\nA tin in a dark cupboard is enough",
    },
    "content_seo.repurpose": {"link": "https://lumen.example/how-to-brew-green-tea-so-that-it-stays-sweet"},
    "social_media.week": {
        "topic": "The winter blend is in the shop",
        "tell": "Assam, Lapsang and orange peel\nDried behind our own warehouse\nEnough until February",
        "link": "https://lumen.example/shop/winter",
    },
    "creative_design.social_graphic": {"topic": "The winter blend is here"},
    "email_crm.campaign": {
        "goal": "Tell our readers about the winter blend and the tasting evening.",
        "offer": "The winter blend is in the shop: Assam, Lapsang and orange peel\n"
        "A tasting evening in the warehouse, 24 places",
        "link": "https://lumen.example/shop",
    },
    "advertising.media_plan": {"about": "Tea as a present"},
    "sales_enablement.one_pager": {"topic": "Tea for cafés"},
}
# Whose proposals wait, and what somebody has said to others; all other drafts are still with their agents.
WAITING = {
    "brand_strategy.audience_map",
    "analytics.what_to_do",
    "email_crm.campaign",
    "retention.slipping",
    "operations.duplicates",
    "operations.deliverability",
    "app_intelligence.diagnosis",
}
APPROVED = {
    "brand_strategy.quarterly_plan",
    "content_seo.article",
    "creative_design.social_graphic",
    "advertising.media_plan",
    "social_media.week",
    "email_crm.segment",
    "sales_enablement.lead_scores",
    "sales_enablement.next_actions",
}
REFUSED = {"social_media.post_set": "We said this last week on two networks already."}
UNDONE = {"advertising.ad_audiences"}
DECIDED = WAITING | APPROVED | set(REFUSED) | UNDONE
# A task that runs on the clock: how often, at which hour.
SCHEDULES = {
    "analytics.what_happened": ("month", 7),
    "analytics.what_to_do": ("day", 7),
    "sales_enablement.lead_scores": ("week", 6),
    "social_media.week": ("week", 8),
    "operations.duplicates": ("month", 5),
    "app_intelligence.health": ("day", 6),
}


def add_agent_work(team: Team, readers_id: int, tell: Callable[[str], None]) -> int:
    """Lets every agent do each of its tasks; commits each. How many runs there are. `tell` hears of each agent.

    `readers_id` is the segment to whom letters are written.
    """
    made, letter = 0, {"segment_id": str(readers_id)}
    for agent in AGENTS:
        person = team.operator if agent.role == "operator" else team.writer
        for task in agent.tasks:
            _do(agent, task, person, letter if task.key == "campaign" else {})
            made += 1
        tell(agent.label)
    return made


def _do(agent: Agent, task: Task[Any, Any], person: Person, more: dict[str, str]) -> None:
    key = f"{agent.key}.{task.key}"
    values = {**(task.examples[0].values if task.examples else {}), **BRIEFS.get(key, {}), **more}
    run_id = start_run(agent, task, task.brief.model_validate(values), user_id=person.id, way="playbook").id
    carry_out_run(run_id)
    if key in DECIDED and (get_run(run_id).result or {}).get("proposed"):
        _decide(key, run_id, person)
    if key in SCHEDULES:
        every, hour = SCHEDULES[key]
        add_schedule(run_id, every=every, hour=hour, user_id=person.id)


def _decide(key: str, run_id: int, person: Person) -> None:
    """Puts up what a run proposes, and lets somebody say yes or no where the demo says so."""
    try:
        proposal_ids = [proposal.id for proposal in add_proposals(run_id)]
    except Conflict:
        return  # a check holds it back, or nothing is left to do: the run's page says which
    for proposal_id in proposal_ids:
        if key in REFUSED:
            refuse_proposal(proposal_id, get_user(person.id), note=REFUSED[key])
        elif key in APPROVED or key in UNDONE:
            _approve(proposal_id, person, is_undone=key in UNDONE)


def _approve(proposal_id: int, person: Person, *, is_undone: bool) -> None:
    try:
        done: Proposal = approve_proposal(proposal_id, get_user(person.id))
    except (Conflict, InputInvalid):
        return  # it waits on, and the page of approvals says why it cannot be done now
    if is_undone and done.is_reversible:
        undo_proposal(proposal_id, get_user(person.id))
