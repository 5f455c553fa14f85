"""One run carried out by the worker: context, draft, validation with one repair, playbook, checks, version.

A run that lost its worker is taken over: it goes on from what it has on record and never pays the model twice.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from sqlalchemy import exists, func, select, text, update

import ai
from agents.base import Check, Context
from agents.complaints import path_of, sentence_of
from agents.drafts import PLAYBOOK_NOTE, add_version, make_envelope, task_of
from agents.runs import make_question, read_stream, run_topic
from errors import InputInvalid, LuxError
from extensions import db
from models import AgentRun, AgentRunEvent, AiCall
from news import news_of, note_news

log = logging.getLogger("lux.agents")

FLUSH_SECONDS = 0.1
SMALL_ANSWER = 2000
BEAT_SECONDS = 1.0
ANSWER_SECONDS = 60.0
# All in one statement, so that words reach their readers after one trip to the database.
WRITE = text("""
    WITH beat AS (
        UPDATE agent_runs SET heard_at = now() WHERE id = :run_id AND attempt = :attempt AND state = 'running'
        RETURNING is_stop_wanted
    ), written AS (
        INSERT INTO agent_run_events (run_id, number, kind, detail)
        SELECT :run_id, event.number, event.kind, event.detail
        FROM beat, jsonb_to_recordset(CAST(:events AS jsonb)) AS event(number bigint, kind text, detail jsonb)
    )
    SELECT is_stop_wanted, set_config('synchronous_commit', :durability, true), pg_notify(:channel, :topic) FROM beat
""")
LOST_WORKER = (
    "The worker was stopped while the model was writing. What had been written is kept, and the model was not asked "
    "again by itself, so that nothing is paid twice."
)
OWN_FAULT = "LUX made a mistake in this run. It has been written down; the brief and what was drafted are kept."


class _Stopped(Exception):
    """A person asked for a stop."""


class _TakenOver(Exception):
    """Another worker has this run now; this one lets go."""


@dataclass(frozen=True)
class _Draft:
    """A result, who wrote it, and what its reader should know about that."""

    result: BaseModel
    drafted_by: str
    notice: str = ""


def carry_out_run(run_id: int) -> None:
    """The queue's task: carries a run out. Safe to repeat; a run that has ended is left alone."""
    claimed = _claim(run_id)
    if claimed is None:
        return
    attempt, was_running = claimed
    runner = _Runner(run_id, attempt)
    try:
        runner.carry_out(is_taken_over=was_running)
    except _TakenOver:
        db.session.rollback()
        log.warning("Run %s was taken over by another worker.", run_id)
    except _Stopped:
        runner.end("stopped", None)
    except LuxError as error:
        runner.end("failed", error.detail)
    except Exception:
        log.exception("Run %s failed", run_id)
        runner.end("failed", OWN_FAULT)


def _claim(run_id: int) -> tuple[int, bool] | None:
    run = db.session.get(AgentRun, run_id, with_for_update=True, populate_existing=True)
    if run is None or run.state not in ("waiting", "running"):
        db.session.rollback()
        return None
    was_running = run.state == "running"
    run.state, run.attempt = "running", run.attempt + 1
    run.heard_at = datetime.now(UTC)
    run.started_at = run.started_at or run.heard_at
    attempt = run.attempt
    db.session.commit()
    return attempt, was_running


class _Runner:
    def __init__(self, run_id: int, attempt: int) -> None:
        self._id = run_id
        self._attempt = attempt
        newest = select(func.max(AgentRunEvent.number)).where(AgentRunEvent.run_id == run_id)
        self._number: int = db.session.scalar(newest) or 0

    # ── the way through ──

    def carry_out(self, *, is_taken_over: bool) -> None:
        self._prepare()
        earlier = self._find_answer() if is_taken_over else None
        if is_taken_over and earlier is None and self._has_asked():
            self.end("failed", LOST_WORKER)
            return
        if earlier is None:
            self._write(("begin", {"way": self._way}))
        context = self._read()
        # A repair may have been asked for, and paid, when the worker was lost: it is not asked for again.
        draft = self._draft(context) if earlier is None else self._judge_answer(earlier, context, can_repair=False)
        self._finish(context, draft)

    def _prepare(self) -> None:
        run = db.session.get_one(AgentRun, self._id)
        self._agent, self._task = task_of(run)
        self._way = run.way
        self._brief = self._task.brief.model_validate(run.brief)
        self._partial = read_stream(self._id)[0] if run.way == "continue" else ""
        db.session.rollback()

    def _read(self) -> Context:
        self._step("Reading your data")
        context = self._task.read(self._brief)
        db.session.rollback()
        rows = [evidence.as_row() for evidence in context.evidence]
        self._update(evidence=rows)
        self._step(f"Read {len(rows)} sources")
        return context

    def _draft(self, context: Context) -> _Draft:
        if self._way == "playbook":
            return self._from_playbook(context, "")
        obstacle = ai.find_obstacle()
        if obstacle is not None:
            return self._from_playbook(context, obstacle.detail)
        instructions = self._task.instruct(self._brief, context)
        user = instructions.user
        if self._partial:
            user += f"\n\nYou were cut off in the middle of this draft; keep what is good in it:\n{self._partial}"
        self._step("Drafting")
        try:
            answer = self._ask(instructions.system, user)
        except ai.ModelFailed as failure:
            # Between the look and the call another run may have used the budget up: nothing was asked, nothing lost.
            if failure.cause in ("budget", "circuit", "no_key"):
                return self._from_playbook(context, failure.detail)
            raise
        return self._judge_answer(answer, context)

    def _judge_answer(self, answer: str, context: Context, *, can_repair: bool = True) -> _Draft:
        """The answer as a result: with one repair where it is not right, and the playbook where that does not help."""
        self._step("Checking")
        result, complaints = self._parse(answer, context)
        if result is not None and not complaints:
            return _Draft(result, "model")
        if can_repair:
            self._step("Repairing: " + complaints[0][:160])
            repaired = self._repair(answer, complaints, context)
            if repaired is not None:
                return repaired
        notice = f"The model's draft could not be used ({complaints[0][:200]})."
        return self._from_playbook(context, notice)

    def _repair(self, answer: str, complaints: list[str], context: Context) -> _Draft | None:
        instructions = self._task.instruct(self._brief, context)
        told = "\n".join(f"- {complaint}" for complaint in complaints[:12])
        user = (
            f"{instructions.user}\n\nYour first draft was:\n{answer[:12000]}\n\nIt cannot be used as it is:\n{told}\n"
            "Write it again, whole, with exactly this put right."
        )
        try:
            second = self._ask(instructions.system, user)
        except ai.ModelFailed as failure:
            log.warning("Run %s: the repair failed (%s)", self._id, failure.cause)
            return None
        self._step("Checking again")
        result, complaints = self._parse(second, context)
        return _Draft(result, "model") if result is not None and not complaints else None

    def _parse(self, answer: str, context: Context) -> tuple[BaseModel | None, list[str]]:
        """The answer as a result, and every complaint about it: of its shape, or of the checks that failed."""
        try:
            words = self._task.answer.model_validate_json(_bare_json(answer))
        except ValidationError as error:
            complaints = [f"{path_of(one['loc'])}: {sentence_of(one)}" for one in error.errors()]
            if any(one["type"] == "json_invalid" for one in error.errors()):
                complaints = ["The answer is not JSON."]
            return None, complaints
        try:
            result = self._task.complete(self._brief, context, words)
        except InputInvalid as error:
            return None, [f"{name}: {text}" for name, text in error.fields.items()]
        checks: list[Check] = self._task.check(self._brief, context, result)
        db.session.rollback()
        return result, [f"{check.label}: {check.detail}" for check in checks if check.verdict == "fail"]

    def _from_playbook(self, context: Context, notice: str) -> _Draft:
        self._step("Drafting from the playbook")
        result = self._task.playbook(self._brief, context)
        db.session.rollback()
        self._write(("text", {"set": self._task.tell(result.model_dump(mode="json"))}))
        self._step("Checking")
        return _Draft(result, "playbook", notice)

    def _finish(self, context: Context, draft: _Draft) -> None:
        envelope = make_envelope(
            self._task, self._brief, context, draft.result, drafted_by=draft.drafted_by, notice=draft.notice
        )
        run = self._lock()
        is_playbook = draft.drafted_by == "playbook"
        add_version(run, draft.result, made_by=self._agent.label, note=PLAYBOOK_NOTE if is_playbook else "")
        run.result = envelope
        run.provider = draft.drafted_by
        self._close(run, "done", None)

    # ── the model ──

    def _ask(self, system: str, user: str) -> str:
        """The model's whole answer, streamed into events on its way."""
        question = make_question(db.session.get_one(AgentRun, self._id), system, user, self._task)
        db.session.rollback()
        shown = raw = ""
        flushed_at = beaten_at = time.monotonic()
        pieces: Iterator[str | ai.Answer] = ai.stream(question, time_budget_seconds=ANSWER_SECONDS)
        with closing(pieces):  # type: ignore[type-var]  # stream() is a generator
            try:
                for piece in pieces:
                    if isinstance(piece, ai.Answer):
                        self._write(*_text_events(shown, self._tell(piece.text)), ("answer", {"text": piece.text}))
                        return piece.text
                    raw += piece
                    now = time.monotonic()
                    # What comes first is shown at once; a long answer without a word for people is not read each time.
                    if now - flushed_at < FLUSH_SECONDS and (shown or len(raw) > SMALL_ANSWER):
                        continue
                    told = self._tell(raw)
                    if told != shown or now - beaten_at > BEAT_SECONDS:
                        self._write(*_text_events(shown, told))
                        shown, beaten_at = told, now
                    flushed_at = now
            except ai.ModelFailed:
                self._write(*_text_events(shown, self._tell(raw)))
                raise
        raise ai.ModelFailed("The model's answer broke off.", "broken", is_spent=True)

    def _tell(self, raw: str) -> str:
        try:
            partial = from_json(_bare_json(raw), allow_partial="trailing-strings")
        except ValueError:
            return ""
        return self._task.tell(partial) if isinstance(partial, dict) else ""

    # ── the record ──

    def _step(self, text: str) -> None:
        self._write(("step", {"text": text}))

    def _write(self, *events: tuple[str, dict[str, Any]]) -> None:
        """Writes events and a sign of life, told to who waits for them. Raises _Stopped and _TakenOver."""
        rows = []
        for kind, detail in events:
            self._number += 1
            rows.append({"number": self._number, "kind": kind, "detail": detail})
        # What people watch need not wait for the disk: the whole answer follows, and is kept for sure.
        durability = "off" if all(kind == "text" for kind, _ in events) else "on"
        values = {"run_id": self._id, "attempt": self._attempt, "events": json.dumps(rows), "durability": durability}
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            row = connection.execute(WRITE, {**values, **news_of(run_topic(self._id))}).one_or_none()
        if row is None:
            raise _TakenOver
        if row.is_stop_wanted:
            raise _Stopped

    def _update(self, **values: Any) -> None:
        with db.engine.begin() as connection:
            connection.execute(
                update(AgentRun).where(AgentRun.id == self._id, AgentRun.attempt == self._attempt).values(**values)
            )

    def _lock(self) -> AgentRun:
        run = db.session.get_one(AgentRun, self._id, with_for_update=True, populate_existing=True)
        if run.attempt != self._attempt or run.state != "running":
            raise _TakenOver
        return run

    def end(self, state: str, error: str | None) -> None:
        """Ends the run with what it has; a run that is somebody else's by now is left alone."""
        db.session.rollback()
        try:
            run = self._lock()
        except _TakenOver:
            db.session.rollback()
            return
        self._close(run, state, error)

    def _close(self, run: AgentRun, state: str, error: str | None) -> None:
        calls = select(
            func.coalesce(func.sum(AiCall.tokens_in), 0),
            func.coalesce(func.sum(AiCall.tokens_out), 0),
            func.coalesce(func.sum(AiCall.cost_usd), 0.0),
            func.max(AiCall.model),
        ).where(AiCall.run_id == run.id)
        run.tokens_in, run.tokens_out, run.cost_usd, run.model = db.session.execute(calls).one()
        run.state, run.error, run.finished_at = state, error, datetime.now(UTC)
        self._number += 1
        detail = {"state": state}
        db.session.add(AgentRunEvent(run_id=run.id, number=self._number, kind="end", detail=detail))
        note_news(db.session, run_topic(self._id))
        db.session.commit()

    # ── after a worker was lost ──

    def _find_answer(self) -> str | None:
        """The model's whole answer of this try, when it had come before the worker was lost."""
        found = db.session.execute(
            select(AgentRunEvent.kind, AgentRunEvent.detail)
            .where(AgentRunEvent.run_id == self._id, AgentRunEvent.kind.in_(("begin", "answer")))
            .order_by(AgentRunEvent.number.desc())
            .limit(1)
        ).one_or_none()
        db.session.rollback()
        return str(found.detail["text"]) if found is not None and found.kind == "answer" else None

    def _has_asked(self) -> bool:
        """Whether this try has asked the model already."""
        begun = select(func.max(AgentRunEvent.at)).where(
            AgentRunEvent.run_id == self._id, AgentRunEvent.kind == "begin"
        )
        asked = exists().where(AiCall.run_id == self._id, AiCall.at >= begun.scalar_subquery())
        has_asked = bool(db.session.scalar(select(asked)))
        db.session.rollback()
        return has_asked


def _text_events(shown: str, told: str) -> list[tuple[str, dict[str, Any]]]:
    if told == shown:
        return []
    if told.startswith(shown):
        return [("text", {"add": told[len(shown) :]})]
    return [("text", {"set": told})]


def _bare_json(answer: str) -> str:
    """The JSON of an answer that a chatty model has wrapped in a code fence."""
    bare = answer.strip()
    if bare.startswith("```"):
        bare = bare.split("\n", 1)[-1].rsplit("```", 1)[0] if "\n" in bare else bare
    return bare
