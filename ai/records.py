"""The record of each call: its cost reserved before it is made and settled after it, the caps, and the circuit.

All of it stands in the database, so every process of LUX keeps to one budget and one circuit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, insert, select, text, update

from ai.questions import (
    CHARACTERS_PER_TOKEN,
    Answer,
    ModelFailed,
    Question,
    Tally,
    count_tokens_at_most,
    estimate_cost_usd,
)
from config import Settings
from extensions import db
from lib.model_prices import price
from models import AiCall, RepairSwitch

# So many failures of the service in a row open the circuit for so long; then one call tries it.
CIRCUIT_FAILURES = 3
CIRCUIT_SECONDS = 30.0
CIRCUIT_CAUSES = ("timeout", "network", "server", "rate", "quota", "key", "model")
# A call under way for longer than any may last is no trial of the service.
TRIAL_SECONDS = 60.0
# One number for the whole database: whoever holds it reserves money.
BUDGET_LOCK = 0x4C555841
# Switches that repairs turn: the circuit held open until a moment, and the fallback asked alone.
CIRCUIT_SWITCH, MODEL_SWITCH = "model_circuit", "model_choice"


@dataclass(frozen=True)
class Budget:
    """The day's money: spent and reserved so far, and the limit."""

    spent_usd: float
    limit_usd: float
    since: datetime

    @property
    def left_usd(self) -> float:
        return max(0.0, self.limit_usd - self.spent_usd)


def reserve(settings: Settings, model: str, question: Question) -> int:
    """Puts the most that the call can cost on record before it is made; raises ModelFailed when that is too much."""
    estimate = estimate_cost_usd(question, model)
    since = day_start(settings)
    with db.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": BUDGET_LOCK})
        wait = circuit_wait(connection)
        if wait:
            raise circuit_open(wait)
        if count_spent(connection, since) + estimate > settings.ai_daily_budget_usd:
            raise over_budget(settings)
        _expect_within_caps(connection, question, since, estimate)
        row = insert(AiCall).values(
            purpose=question.purpose,
            run_id=question.run_id,
            turn_id=question.turn_id,
            model=model,
            state="reserved",
            cost_usd=estimate,
        )
        return int(connection.execute(row.returning(AiCall.id)).scalar_one())


def _expect_within_caps(connection: Any, question: Question, since: datetime, estimate: float) -> None:
    """Raises ModelFailed when the call could cost more than its run or its area has left; under the budget's lock."""
    if question.run_cap_usd is not None and question.run_id is not None:
        spent = connection.scalar(_sum_cost().where(AiCall.run_id == question.run_id))
        if spent + estimate > question.run_cap_usd:
            raise _over_cap("One run", question.run_cap_usd, "AI_RUN_BUDGET_USD")
    if question.area_cap_usd is not None:
        area = question.purpose.split(".", 1)[0]
        own = AiCall.purpose.startswith(f"{area}.", autoescape=True)
        spent = connection.scalar(_sum_cost().where(AiCall.at >= since, own))
        if spent + estimate > question.area_cap_usd:
            raise _over_cap("One agent on one day", question.area_cap_usd, "AI_AGENT_BUDGET_USD")


def _sum_cost() -> Select[float]:
    return select(func.coalesce(func.sum(AiCall.cost_usd), 0.0))


def _over_cap(whose: str, cap: float, setting: str) -> ModelFailed:
    detail = f"{whose} may cost at most ${cap:,.2f} ({setting}), and this call could go beyond. Playbooks go on."
    return ModelFailed(detail, "budget")


def settle(call_id: int, question: Question, tally: Tally, failure: ModelFailed | None, seconds: float) -> Answer:
    """Replaces the reserved cost by the real one; a call of which nobody knows the tokens is counted by its text."""
    is_spent = failure is None or failure.is_spent
    tokens_in = tally.tokens_in if tally.tokens_in is not None else count_tokens_at_most(question) * is_spent
    tokens_out = tally.tokens_out
    if tokens_out is None:
        tokens_out = min(-(-tally.size() // CHARACTERS_PER_TOKEN), question.longest_answer_tokens)
    cost = price(tally.model, tokens_in, tokens_out)
    calls = tally.list_tool_calls()
    answer = Answer(tally.text, tally.model, tokens_in, tokens_out, cost, seconds, calls)
    with db.engine.begin() as connection:
        connection.execute(
            update(AiCall)
            .where(AiCall.id == call_id)
            .values(
                state="failed" if failure else "done",
                cause=failure.cause if failure else None,
                error=failure.detail if failure else None,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                cost_usd=answer.cost_usd,
                duration_seconds=round(seconds, 3),
            )
        )
    return answer


def count_spent(connection: Any, since: datetime) -> float:
    return float(connection.scalar(select(func.coalesce(func.sum(AiCall.cost_usd), 0)).where(AiCall.at >= since)))


def day_start(settings: Settings) -> datetime:
    now = datetime.now(ZoneInfo(settings.timezone))
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def circuit_wait(connection: Any) -> float:
    """Seconds until the service may be asked again; 0 when it may be now.

    The circuit is read from the record of calls, so all processes share it. After the pause one call tries.
    """
    held = connection.execute(find_switch(CIRCUIT_SWITCH)).first()
    if held is not None and held.is_on and (rest := _seconds_until(held.value)) > 0:
        return rest
    # Closed by hand: what failed before that says nothing any more.
    since = held.changed_at if held is not None and not held.is_on else datetime.min.replace(tzinfo=UTC)
    finished = connection.execute(
        select(AiCall.state, AiCall.cause, AiCall.at, AiCall.duration_seconds)
        .where(AiCall.state != "reserved", AiCall.cause.is_distinct_from("stopped"), AiCall.at > since)
        .order_by(AiCall.id.desc())
        .limit(CIRCUIT_FAILURES)
    ).all()
    if len(finished) < CIRCUIT_FAILURES or any(row.cause not in CIRCUIT_CAUSES for row in finished):
        return 0.0
    ended_at = max(row.at + timedelta(seconds=row.duration_seconds or 0) for row in finished)
    now = datetime.now(UTC)
    wait = (ended_at + timedelta(seconds=CIRCUIT_SECONDS) - now).total_seconds()
    if wait > 0:
        return float(wait)
    oldest_trial = now - timedelta(seconds=TRIAL_SECONDS)
    trial = connection.scalar(
        select(func.count()).select_from(AiCall).where(AiCall.state == "reserved", AiCall.at > oldest_trial)
    )
    return 5.0 if trial else 0.0


def find_switch(key: str) -> Select[bool, str | None, datetime]:
    return select(RepairSwitch.is_on, RepairSwitch.value, RepairSwitch.changed_at).where(RepairSwitch.key == key)


def _seconds_until(moment: str | None) -> float:
    """Seconds until a moment that a switch holds; 0 when it has passed or cannot be read."""
    try:
        return max(0.0, (datetime.fromisoformat(moment or "") - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def no_key() -> ModelFailed:
    return ModelFailed("No AI key is set (OPENAI_API_KEY), so LUX works from its playbooks.", "no_key")


def over_budget(settings: Settings) -> ModelFailed:
    limit = f"${settings.ai_daily_budget_usd:,.2f}"
    detail = f"Today's AI budget of {limit} is used up. It starts again at midnight ({settings.timezone})."
    return ModelFailed(f"{detail} Playbooks go on.", "budget")


def circuit_open(wait_seconds: float) -> ModelFailed:
    seconds = max(1, round(wait_seconds))
    detail = f"The AI service failed {CIRCUIT_FAILURES} times in a row, so LUX lets it rest for {seconds} s."
    return ModelFailed(f"{detail} Playbooks go on.", "circuit")
