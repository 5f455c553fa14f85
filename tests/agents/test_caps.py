"""Money: a run, an agent and a day have their caps, and fifty runs at once do not go beyond one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from sqlalchemy import func, select

from agents import get_agent
from agents.figures import sum_agent_cost_since
from agents.runner import carry_out_run
from agents.runs import get_run, start_run
from extensions import db
from models import AgentRun, AiCall
from tests.agents.every_task import brief_of, good_answer
from tests.fakes.openai_server import OpenAIServer

MakeApp = Callable[..., Flask]


def run_loyalty_plan(count: int) -> list[int]:
    agent = get_agent("retention")
    task = agent.find_task("loyalty_plan")
    assert task is not None
    return [start_run(agent, task, brief_of(task), user_id=None).id for _ in range(count)]


def answer_well(server: OpenAIServer) -> None:
    agent = get_agent("retention")
    task = agent.find_task("loyalty_plan")
    assert task is not None
    server.answers = [good_answer(agent, task, brief_of(task))]


def make(make_app: MakeApp, server: OpenAIServer, **settings: str) -> Flask:
    return make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url, **settings)


def test_fifty_runs_at_once_stay_within_the_agents_cap(make_app: MakeApp, empty_database: None) -> None:
    with OpenAIServer(piece_size=4000) as server:
        app = make(make_app, server, AI_AGENT_BUDGET_USD="0.25", AI_DAILY_BUDGET_USD="100")
        with app.app_context():
            answer_well(server)
            run_ids = run_loyalty_plan(50)

            def carry_out(run_id: int) -> None:
                with app.app_context():
                    carry_out_run(run_id)
                    db.session.remove()

            with ThreadPoolExecutor(8) as pool:
                list(pool.map(carry_out, run_ids))
            db.session.rollback()
            runs = list(db.session.scalars(select(AgentRun)))
            assert {run.state for run in runs} == {"done"}
            assert {run.provider for run in runs} >= {"playbook"}
            spent = db.session.scalar(select(func.sum(AiCall.cost_usd))) or 0
            assert 0 < spent <= 0.25
            assert sum_agent_cost_since("retention", runs[0].created_at) <= 0.25
            db.session.remove()
            db.engine.dispose()


def test_another_agent_still_has_its_own(make_app: MakeApp, empty_database: None) -> None:
    with OpenAIServer(piece_size=4000) as server:
        app = make(make_app, server, AI_AGENT_BUDGET_USD="0.25")
        with app.app_context():
            answer_well(server)
            db.session.add(AiCall(purpose="email_crm.campaign", model="gpt-4o", state="done", cost_usd=0.25))
            db.session.add(AiCall(purpose="retentionist.other", model="gpt-4o", state="done", cost_usd=0.25))
            db.session.commit()
            (run_id,) = run_loyalty_plan(1)
            carry_out_run(run_id)
            db.session.rollback()
            assert get_run(run_id).provider == "model"
            db.session.remove()
            db.engine.dispose()


def test_a_run_beyond_its_cap_is_answered_by_the_playbook_and_says_so(make_app: MakeApp, empty_database: None) -> None:
    with OpenAIServer() as server:
        app = make(make_app, server, AI_RUN_BUDGET_USD="0.001")
        with app.app_context():
            (run_id,) = run_loyalty_plan(1)
            carry_out_run(run_id)
            db.session.rollback()
            run = get_run(run_id)
            assert (run.state, run.provider, run.cost_usd) == ("done", "playbook", 0)
            assert "AI_RUN_BUDGET_USD" in (run.result or {})["notice"]
            assert server.requests == []
            db.session.remove()
            db.engine.dispose()
