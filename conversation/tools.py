"""The tools that a model may ask for in a conversation: typed, within the asker's role, and read-only but one.

Each answers with a Fact, of which the model gets the words without anything a stranger wrote. To add a tool, write what
finds the Fact and add a row to TOOLS. repair_errors is carried out by chatbot.py, which decides whether it may be.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ai import ToolCall
from campaigns.brand import get_brand
from conversation import audience_facts, campaign_facts, guidance, system_facts
from conversation.facts import Fact
from conversation.guidance import RANK
from conversation.topics import Asked
from errors import NotFound
from lib.clean_text import one_line
from lib.planted_orders import without_orders
from lib.strict_schema import make_strict_schema

REPAIR_TOOL = "repair_errors"
LONGEST_BRAND = 1500
NOT_ALLOWED = "This tool is not for the role of the person who asks."


class Nothing(BaseModel):
    """A tool that needs to be told nothing."""

    model_config = ConfigDict(extra="forbid")


class CampaignId(BaseModel):
    model_config = ConfigDict(extra="forbid")
    campaign_id: int = Field(gt=0, lt=2**62)


class SegmentId(BaseModel):
    model_config = ConfigDict(extra="forbid")
    segment_id: int = Field(gt=0, lt=2**62)


class GroupId(BaseModel):
    model_config = ConfigDict(extra="forbid")
    group_id: int = Field(gt=0, lt=2**62)


class Words(BaseModel):
    model_config = ConfigDict(extra="forbid")
    words: str = Field(max_length=300)


class LogPart(BaseModel):
    model_config = ConfigDict(extra="forbid")
    source: Literal["nginx", "gunicorn", "systemd", "app"]
    hours: float = Field(default=24, gt=0, le=168)


class RepairWish(BaseModel):
    """What a model may say to a repair: whether it is only to be told what would be done."""

    model_config = ConfigDict(extra="ignore")
    dry_run: bool = False


@dataclass(frozen=True)
class Tool:
    """A row of TOOLS. `least` is the role from which on it is offered."""

    name: str
    description: str
    least: str
    arguments: type[BaseModel]
    run: Callable[[Asked, Any], Fact]


def _documents(_asked: Asked, given: Words) -> Fact:
    return guidance.tell_documents(given.words) or Fact("", "The documents say nothing about this.")


def _brand(_asked: Asked, _given: Nothing) -> Fact:
    brand = get_brand()
    words = one_line(
        f"Company: {brand.company}. Voice: {brand.voice}. Audience: {brand.audience}. Offer: {brand.offer}."
    )
    return Fact("", without_orders(words)[:LONGEST_BRAND], is_from_outside=True)


TOOLS: tuple[Tool, ...] = (
    Tool("campaign_figures", "How the campaigns are doing: last 28 days, latest campaigns by id.", "viewer", Nothing,
         lambda _asked, _given: campaign_facts.tell_campaigns()),
    Tool("best_campaign", "Which campaigns were clicked and opened most and least.", "viewer", Nothing,
         lambda _asked, _given: campaign_facts.tell_best_campaign()),
    Tool("campaign", "One campaign's ledger and results by its id.", "viewer", CampaignId,
         lambda _asked, given: campaign_facts.tell_campaign(given.campaign_id)),
    Tool("find_campaigns", "Ids of campaigns whose name holds the words.", "viewer", Words,
         lambda _asked, given: campaign_facts.find_campaigns(given.words)),
    Tool("contact_figures", "How many contacts there are, by consent, and how many are new.", "viewer", Nothing,
         lambda _asked, _given: audience_facts.tell_contacts()),
    Tool("segment_figures", "The segments by id and size.", "viewer", Nothing,
         lambda _asked, _given: audience_facts.tell_segments()),
    Tool("segment", "Who of a segment would get a campaign now, as numbers.", "viewer", SegmentId,
         lambda _asked, given: audience_facts.tell_segment(given.segment_id)),
    Tool("what_waits", "What waits for a person: proposals, paused channels and campaigns.", "viewer", Nothing,
         lambda _asked, _given: audience_facts.tell_waiting()),
    Tool("agents", "The eleven agents and what each does.", "viewer", Nothing,
         lambda _asked, _given: audience_facts.tell_agents()),
    Tool("search_documents", "What LUX's own documents say to a question.", "viewer", Words, _documents),
    Tool("brand", "The brand's voice, audience and offer, for writing copy.", "marketer", Nothing, _brand),
    Tool("diagnose", "What is wrong with LUX now, by its rules.", "operator", Nothing,
         lambda _asked, _given: system_facts.tell_system()),
    Tool("health", "All health checks.", "operator", Nothing, lambda _asked, _given: system_facts.tell_health()),
    Tool("error_groups", "The unresolved error groups.", "operator", Nothing,
         lambda _asked, _given: system_facts.tell_errors()),
    Tool("error_group", "One error group with its diagnosis, by its id.", "operator", GroupId,
         lambda _asked, given: system_facts.tell_group(given.group_id)),
    Tool("read_log", "What one of the four logs tells of: classes and counts.", "operator", LogPart,
         lambda _asked, given: system_facts.tell_log(given.source, given.hours)),
)  # fmt: skip
_REPAIR_DESCRIPTION = "Repairs what LUX may repair by itself, or says what it would do (dry_run)."


def list_tools(asked: Asked) -> list[dict[str, Any]]:
    """The tools that the asker's role allows, in OpenAI's form; a repair only where the message speaks of one."""
    rank = RANK.get(asked.asker.role, 0)
    offered = [_as_function(tool.name, tool.description, tool.arguments) for tool in TOOLS if rank >= RANK[tool.least]]
    if asked.is_operator and (asked.wish.wants_repair or asked.wish.may_mean_repair):
        offered.append(_as_function(REPAIR_TOOL, _REPAIR_DESCRIPTION, RepairWish))
    return offered


def run_tool(asked: Asked, call: ToolCall) -> Fact:
    """What a tool says; a tool that is unknown, not allowed or called wrongly says so. Never raises for that."""
    tool = next((one for one in TOOLS if one.name == call.name), None)
    if tool is None:
        return Fact("", "There is no such tool.")
    if RANK.get(asked.asker.role, 0) < RANK[tool.least]:
        return Fact("", NOT_ALLOWED)
    try:
        given = tool.arguments.model_validate(read_arguments(call))
    except ValidationError:
        return Fact("", "The arguments do not fit this tool.")
    try:
        return tool.run(asked, given)
    except NotFound as error:
        return Fact("", error.detail)


def wants_dry_run(call: ToolCall) -> bool:
    """Whether a call of the repair tool only asks what would be done."""
    try:
        return RepairWish.model_validate(read_arguments(call)).dry_run
    except ValidationError:
        return True


def read_arguments(call: ToolCall) -> Any:
    """What the model wrote as arguments; an empty object when it is no JSON."""
    try:
        return json.loads(call.arguments or "{}")
    except ValueError:
        return {}


def _as_function(name: str, description: str, arguments: type[BaseModel]) -> dict[str, Any]:
    schema = make_strict_schema(arguments)
    schema.pop("description", None)
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
