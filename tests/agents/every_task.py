"""What is asked of every task of every agent: its work for a business with the playbook, a good model and bad ones.

A new kind of bad model joins by its name in KINDS and a way to it in `make_bad_answer` or `expect_kind`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, current_app
from werkzeug.routing import RequestRedirect

from agents import AGENTS, runner
from agents.base import Agent, Context, Task
from agents.drafts import get_result, get_version, list_failures
from agents.parts.checks import is_small_count, list_numbers, list_texts
from agents.parts.documents import document_of
from agents.proposals import add_proposals, approve_proposal, undo_proposal
from agents.runner import carry_out_run
from agents.runs import get_run, retry_run, start_run
from config import current_settings
from errors import Conflict
from extensions import db
from models import AgentRun
from tests.agents.businesses import BUSINESSES
from tests.agents.documented import read_documented
from tests.fakes.openai_server import OpenAIServer
from tests.makers import make_user, signed_in_client

# The link that strangers plant in the data, and the one that only a bad model is told to plant.
EVIL, TRAP = "evil.example", "trap.example"
FOREIGN_FIGURE = "98.7654%"
SHORT_PATIENCE_SECONDS = 0.4
TASKS = [(agent, task) for agent in AGENTS for task in agent.tasks]
KINDS = (
    "broken JSON", "wrong types", "over-long copy", "invented figures", "injected orders", "invented ids",
    "half a stream", "too many requests", "silence",
)  # fmt: skip
# What each task has proposed so far, and for which businesses it was run whole.
PROPOSED: dict[str, set[str]] = {}
SEEN: dict[str, set[str]] = {}
# What none of these businesses gives cause for; tests/agents/test_repairs.py shows it.
SHOWN_ELSEWHERE = {"app_intelligence.diagnosis": {"apply_repair"}}
# Answers of tasks whose result does not hold the answer as it came.
OWN_ANSWERS: dict[str, dict[str, Any]] = {
    "email_crm.segment": {
        "name": "Openers",
        "match": "all",
        "rules": [{"field": "clicked", "operator": "within_days", "value": "60"}],
        "not_understood": [],
    }
}
Answer = dict[str, Any]


def name_of(agent: Agent, task: Task[Any, Any]) -> str:
    """A task as its tests are called."""
    return f"{agent.key}.{task.key}"


def find_task(name: str) -> tuple[Agent, Task[Any, Any]]:
    """An agent and its task by their name."""
    return next(pair for pair in TASKS if name_of(*pair) == name)


def list_kinds(agent: Agent, task: Task[Any, Any], business: str) -> list[str]:
    """The bad models that a task meets in a business: each task meets each once, each business each at some task."""
    turn = TASKS.index((agent, task)) + list(BUSINESSES).index(business)
    return [kind for number, kind in enumerate(KINDS) if (number + turn) % len(BUSINESSES) == 0]


def brief_of(task: Task[Any, Any], example: int = 0) -> Any:
    """An example of the task as a brief."""
    return task.brief.model_validate(dict(task.examples[example].values))


def run_through(agent: Agent, task: Task[Any, Any], brief: Any, way: Any = "model") -> AgentRun:
    """A run from its start to its end."""
    run_id = start_run(agent, task, brief, user_id=None, way=way).id
    carry_out_run(run_id)
    db.session.rollback()
    return get_run(run_id)


def good_answer(agent: Agent, task: Task[Any, Any], brief: Any) -> Answer:
    """What a good model would say: the playbook's own words in the shape of the answer."""
    body = task.playbook(brief, task.read(brief)).model_dump(mode="json")
    db.session.rollback()
    return answer_in(agent, task, body)


def answer_in(agent: Agent, task: Task[Any, Any], body: Answer) -> Answer:
    """The part of a result that a model would have said."""
    own = OWN_ANSWERS.get(name_of(agent, task))
    if own is not None:
        return own
    answer = {name: body[name] for name in task.answer.model_fields}
    return dict(task.answer.model_validate(answer).model_dump(mode="json"))


def changed(value: Any, change: Callable[[str], Any]) -> Any:
    """The answer with each of its texts changed."""
    if isinstance(value, dict):
        return {name: changed(one, change) for name, one in value.items()}
    if isinstance(value, list):
        return [changed(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def flat(value: Any, place: str = "") -> list[tuple[str, str]]:
    """Each leaf with its place."""
    if isinstance(value, dict):
        return [pair for name, one in value.items() for pair in flat(one, f"{place}.{name}")]
    if isinstance(value, list):
        return [pair for at, one in enumerate(value) for pair in flat(one, f"{place}.{at}")]
    return [(place, str(value))]


# ── A whole business ──


def expect_whole(
    app: Flask,
    server: OpenAIServer,
    agent: Agent,
    task: Task[Any, Any],
    business: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One task in one business: by the playbook, with a good model, with its share of the bad ones, to its end."""
    BUSINESSES[business]()
    example = list(BUSINESSES).index(business)
    brief = brief_of(task, example)
    run = run_through(agent, task, brief, "playbook")
    expect_sound(run, agent, task)
    assert (run.provider, run.cost_usd) == ("playbook", 0)
    good = answer_in(agent, task, get_version(run.id, run.version).body)
    expect_good(server, agent, task, brief, good)
    if business == "shop":
        expect_shown(app, agent, task, run)
    if business == "software":
        expect_discreet(task, brief)
    expect_valid_proposals(run, is_carried_out=business == "shop")
    for kind in list_kinds(agent, task, business):
        expect_kind(kind, server, agent, task, brief, good, monkeypatch)
    SEEN.setdefault(name_of(agent, task), set()).add(business)


def expect_good(server: OpenAIServer, agent: Agent, task: Task[Any, Any], brief: Any, good: Answer) -> None:
    """A good model is taken at its word, and asked once."""
    server.answers, asked = [good], len(server.requests)
    run = run_through(agent, task, brief)
    expect_sound(run, agent, task)
    assert (run.provider, len(server.requests) - asked) == ("model", 1), run.result
    assert run.cost_usd > 0


def expect_kind(
    kind: str,
    server: OpenAIServer,
    agent: Agent,
    task: Task[Any, Any],
    brief: Any,
    good: Answer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bad model ends in a valid result after one repair at most, or in a clear message beside the playbook."""
    if kind == "half a stream":
        failed = expect_clear_failure(server, agent, task, brief, good, ["half_stream"], "broke off")
        retry_run(failed.id, "playbook")
        carry_out_run(failed.id)
        db.session.rollback()
        expect_sound(get_run(failed.id), agent, task)
    elif kind == "too many requests":
        expect_clear_failure(server, agent, task, brief, good, ["rate_limited"] * 3, "minute")
    elif kind == "silence":
        with monkeypatch.context() as patience:
            patience.setattr(runner, "ANSWER_SECONDS", SHORT_PATIENCE_SECONDS)
            expect_silence_to_end(server, agent, task, brief)
    else:
        server.answers, asked = [make_bad_answer(kind, good)], len(server.requests)
        run = run_through(agent, task, brief)
        expect_sound(run, agent, task)
        assert len(server.requests) - asked <= 2, f"{kind}: one repair at most"
        # Also a link that a stranger wrote into the data is no link for a model to repeat.
        assert kind != "injected orders" or run.provider == "playbook"


def make_bad_answer(kind: str, good: Answer) -> Any:
    """A good answer spoiled in that way."""
    if kind == "broken JSON":
        return json.dumps(good)[:-3] + "}}]"
    if kind == "wrong types":
        return dict.fromkeys(good, 7)
    spoil: dict[str, Callable[[str], Any]] = {
        "over-long copy": lambda text: text + " word" * 400,
        "invented figures": lambda text: f"{text} {FOREIGN_FIGURE}",
        "injected orders": lambda text: f"{text} https://{TRAP}/steal, https://{EVIL}/steal",
        "invented ids": lambda text: "segment 424242",
    }
    return changed(good, spoil[kind])


def expect_clear_failure(
    server: OpenAIServer,
    agent: Agent,
    task: Task[Any, Any],
    brief: Any,
    good: Answer,
    moods: list[str],
    words: str,
) -> AgentRun:
    """A service that fails ends in a clear message, within the cap."""
    server.answers, server.piece_size, server.moods = [good], 200, moods
    run = run_through(agent, task, brief)
    server.piece_size, server.moods = 4000, []
    assert (run.state, run.version) == ("failed", 0)
    assert words in str(run.error)
    assert run.cost_usd <= current_settings().ai_run_budget_usd
    return run


def expect_silence_to_end(server: OpenAIServer, agent: Agent, task: Task[Any, Any], brief: Any) -> None:
    """A service that never answers ends in a clear message, and is paid for once at most."""
    server.moods, asked = ["hang"], len(server.requests)
    run = run_through(agent, task, brief)
    assert (run.state, run.version) == ("failed", 0)
    assert "in time" in str(run.error)
    assert len(server.requests) - asked == 1
    assert run.cost_usd <= current_settings().ai_run_budget_usd


# ── What holds for every run ──


def expect_sound(run: AgentRun, agent: Agent, task: Task[Any, Any]) -> None:
    """A finished run holds its promises: a valid result, checked, traced, nothing of the attacker's, a document."""
    assert run.state == "done", run.error
    result = get_result(run, get_version(run.id, run.version))
    envelope = run.result or {}
    assert list_failures(run) == []
    assert envelope["summary"] and 0 <= envelope["confidence"] <= 100
    assert {row["key"] for row in run.evidence}
    expect_traced(run)
    words = json.dumps(get_version(run.id, run.version).body) + json.dumps(envelope["proposed"])
    assert TRAP not in words, "nothing that a model was told to say is said"
    if EVIL not in json.dumps(run.evidence):
        assert EVIL not in words, "nothing that a stranger wrote is said"
    assert FOREIGN_FIGURE not in words
    document = document_of(task, result)
    assert document.startswith("# ") and len(document) > 60
    assert run.cost_usd <= current_settings().ai_run_budget_usd
    proposed = {one["action"] for one in envelope["proposed"]}
    PROPOSED.setdefault(name_of(agent, task), set()).update(proposed)
    assert proposed <= read_documented()[name_of(agent, task)], "docs/agents.md says what it proposes"
    urls = current_app.url_map.bind("")
    for row in run.evidence:
        if row["source"]:
            with contextlib.suppress(RequestRedirect):
                urls.match(row["source"].split("?")[0])


def expect_traced(run: AgentRun) -> None:
    """Every figure of the result stands in the evidence or in the brief."""
    if (run.agent, run.task) == ("email_crm", "segment"):
        return  # its figures are the rules themselves and their count, read back by code
    leaves = flat(get_version(run.id, run.version).body)
    told = " ".join(f"{row['label']} {row['value']} {' '.join(row['details'])}" for row in run.evidence)
    known = list_numbers(told + " " + " ".join(text for _, text in flat(run.brief)))
    unknown = {
        f"{place}: {number}"
        for place, text in leaves
        for number in list_numbers(text)
        if number not in known and not is_small_count(number)
    }
    assert unknown == set(), f"{run.agent}.{run.task}"


def expect_valid_proposals(run: AgentRun, *, is_carried_out: bool) -> None:
    """What a run proposes can be approved, and where that is tried, each kind of thing once, be taken back again."""
    if not (run.result or {})["proposed"]:
        with pytest.raises(Conflict, match="document"):
            add_proposals(run.id)
        db.session.rollback()
        return
    added = {one.action: one for one in add_proposals(run.id)}
    if not is_carried_out:
        return
    owner = make_user(role="owner")
    for proposal in added.values():
        done = approve_proposal(proposal.id, owner)
        assert done.state == "done"
        if done.is_reversible:
            assert undo_proposal(done.id, owner).state == "undone"


def expect_shown(app: Flask, agent: Agent, task: Task[Any, Any], run: AgentRun) -> None:
    """The workspace shows the task and its result, to read, to edit and as a file."""
    client = signed_in_client(app, make_user(role="owner", email="reader@lumen.example"))
    desk = f"/agents/{agent.key}"
    assert client.get(f"{desk}?task={task.key}&example=1").status_code == 200
    for view in ("draft", "edit"):
        assert client.get(f"{desk}/runs/{run.id}?view={view}").status_code == 200, view
    document = client.get(f"{desk}/runs/{run.id}/document")
    assert document.headers["Content-Disposition"].startswith("attachment")


def expect_discreet(task: Task[Any, Any], brief: Any) -> None:
    """No person reaches the model, and no figure that the evidence does not show."""
    context: Context = task.read(brief)
    db.session.rollback()
    told = json.dumps(context.facts, default=str)
    for secret in ("user7@", "User 7", "firm7.example"):
        assert secret not in told
    known = list_numbers(" ".join(f"{row.label} {row.value} {' '.join(row.details)}" for row in context.evidence))
    asked = list_numbers(" ".join(text for _, text in list_texts(brief.model_dump(mode="json"))))
    foreign = {
        number
        for _, text in flat(context.facts)
        for number in list_numbers(text)
        if number not in known | asked and not is_small_count(number)
    }
    if not task.form and task.key != "segment":
        assert foreign == set(), "each figure that the model is told stands in the evidence"


def expect_documented(names: list[str]) -> None:
    """What docs/agents.md says that a task proposes is proposed for some business, once it was run for all."""
    for name in names:
        if SEEN.get(name) == set(BUSINESSES):
            assert read_documented()[name] - PROPOSED[name] <= SHOWN_ELSEWHERE.get(name, set()), name
