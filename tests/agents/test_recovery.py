"""kill -9 of the worker in the middle of runs: each run ends, says what happened, and pays the model once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from agents import get_agent
from agents.runs import retry_run, start_run
from agents.tasks.campaign.brief import CampaignBrief
from campaigns.brand import change_brand
from extensions import db
from tests.agents.conftest import BRAND
from tests.fakes.openai_server import OpenAIServer
from tests.servers import Lux, wait_until


def start_one(lux: Lux) -> int:
    """A run put on the queue from another process than the worker's."""
    agent = get_agent("email_crm")
    brief = CampaignBrief(goal="Sell the first flush", link="https://lumen.example/offer")
    with lux.make_app().app_context():
        change_brand(BRAND, actor="tests")
        run_id = start_run(agent, agent.tasks[0], brief, user_id=None).id
        db.session.remove()
        db.engine.dispose()
    return run_id


def ended(lux: Lux, run_id: int) -> bool:
    return lux.count("agent_runs", f"id = {run_id} AND state IN ('done', 'failed', 'stopped')") == 1


def test_a_kill_in_mid_answer_is_told_of_and_not_paid_twice_whatever_the_task(start_lux: Callable[..., Lux]) -> None:
    kinds = [
        "email_crm.campaign",
        "retention.loyalty_plan",
        "analytics.what_happened",
        "email_crm.segment",
        "app_intelligence.diagnosis",
    ]
    with OpenAIServer(piece_delay_seconds=0.3) as server:
        server.answers = [slow_answer]
        lux = start_lux(has_web=False, has_worker=True, OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        with lux.make_app().app_context():
            run_ids = [start_example(name) for name in kinds]
            db.session.remove()
            db.engine.dispose()
        for run_id in run_ids:
            shown = f"run_id = {run_id} AND kind = 'text'"
            wait_until(lambda shown=shown: lux.count("agent_run_events", shown) > 0, "each draft to stream")  # type: ignore[misc]  # bound at once
        lux.kill_worker()
        lux.start_worker()
        for run_id in run_ids:
            wait_until(lambda run_id=run_id: ended(lux, run_id), "the other worker to end each run", 60)  # type: ignore[misc]  # bound at once
        told = "state = 'failed' AND error LIKE '%nothing is paid twice%'"
        assert lux.count("agent_runs", told) == len(kinds)
        assert len(server.requests) == len(kinds)
        assert lux.count("ai_calls", "state = 'reserved' AND cost_usd > 0") == len(kinds), "lost calls keep counting"
        with lux.make_app().app_context():
            for run_id in run_ids:
                retry_run(run_id, "playbook")
            db.session.remove()
            db.engine.dispose()
        wait_until(lambda: lux.count("agent_runs", "state = 'done'") == len(kinds), "the playbooks to finish them")
        assert len(server.requests) == len(kinds)


def slow_answer(_body: dict[str, Any]) -> str:
    """Words of each kind of answer, and so many that the worker is killed in the midst of them."""
    begun = {"name": "The first words", "verdict": "The first words", "promise": "The first words"}
    return json.dumps({**begun, "more": "An answer that goes on and on. " * 40})


def start_example(name: str) -> int:
    """A run of a task's first example."""
    agent = get_agent(name.split(".")[0])
    task = agent.find_task(name.split(".")[1])
    assert task is not None
    return start_run(agent, task, task.brief.model_validate(dict(task.examples[0].values)), user_id=None).id


def test_whenever_the_worker_is_killed_the_run_ends_and_asks_once(start_lux: Callable[..., Lux]) -> None:
    with OpenAIServer(piece_delay_seconds=0.02) as server:
        lux = start_lux(has_web=False, has_worker=True, OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        for number, delay_seconds in enumerate((0.0, 0.2, 0.6), 1):
            run_id = start_one(lux)
            begun = f"id = {run_id} AND state <> 'waiting'"
            wait_until(lambda begun=begun: lux.count("agent_runs", begun) == 1, "the run to begin")  # type: ignore[misc]  # bound at once
            time.sleep(delay_seconds)
            lux.kill_worker()
            lux.start_worker()
            wait_until(lambda run_id=run_id: ended(lux, run_id), "the run to end", 60)  # type: ignore[misc]  # bound at once
            assert len(server.requests) <= number
            assert lux.count("agent_run_versions") == lux.count("agent_runs", "state = 'done'")
