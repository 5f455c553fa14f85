"""The agents in numbers for the dashboard: each one's last run, what waits for approval, what the model cost today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import load_only

from extensions import db
from models import AgentRun, AiCall, Proposal


@dataclass(frozen=True)
class AgentState:
    """How an agent stands: its newest run, and how many of its proposals wait."""

    run: AgentRun | None
    waiting_count: int


def list_agent_states(keys: list[str]) -> dict[str, AgentState]:
    """The state of each agent by its key; an agent that never ran is there too."""
    columns = load_only(AgentRun.agent, AgentRun.state, AgentRun.created_at, AgentRun.finished_at)
    newest = select(AgentRun).options(columns).where(AgentRun.agent.in_(keys)).ext(distinct_on(AgentRun.agent))
    runs = {run.agent: run for run in db.session.scalars(newest.order_by(AgentRun.agent, AgentRun.id.desc()))}
    waiting = select(Proposal.agent, func.count()).where(_waits()).group_by(Proposal.agent)
    counts = {row[0]: row[1] for row in db.session.execute(waiting)}
    return {key: AgentState(runs.get(key), counts.get(key, 0)) for key in keys}


def list_waiting_proposals(most: int) -> list[Proposal]:
    """The proposals that wait for a person, the newest first."""
    return list(db.session.scalars(select(Proposal).where(_waits()).order_by(Proposal.id.desc()).limit(most)))


def count_waiting_proposals() -> int:
    """How many proposals wait for a person."""
    return db.session.scalar(select(func.count()).select_from(Proposal).where(_waits())) or 0


def sum_ai_cost_since(moment: datetime) -> float:
    """What calls of the model have cost since then, in US dollars."""
    return float(db.session.scalar(select(func.sum(AiCall.cost_usd)).where(AiCall.at >= moment)) or 0)


def sum_agent_cost_since(key: str, moment: datetime) -> float:
    """What one agent's calls of the model have cost since then; calls under way count with the most they may cost."""
    own = AiCall.purpose.startswith(f"{key}.", autoescape=True)
    return float(db.session.scalar(select(func.sum(AiCall.cost_usd)).where(AiCall.at >= moment, own)) or 0)


def _waits() -> ColumnElement[bool]:
    return and_(Proposal.state == "pending", Proposal.expires_at > func.now())
