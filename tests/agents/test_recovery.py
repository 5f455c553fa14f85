"""kill -9 of the worker in the middle of runs: each run ends, says what happened, and pays the model once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from agents import get_agent
from agents.runs import start_run
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


def test_a_worker_killed_in_mid_answer_is_told_of_and_not_paid_twice(start_lux: Callable[..., Lux]) -> None:
    with OpenAIServer(piece_delay_seconds=0.3) as server:
        lux = start_lux(has_web=False, has_worker=True, OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        run_id = start_one(lux)
        wait_until(lambda: lux.count("agent_run_events", "kind = 'text'") > 2, "the draft to stream")
        lux.kill_worker()
        lux.start_worker()
        wait_until(lambda: ended(lux, run_id), "the other worker to end the run", 60)
        assert lux.count("agent_runs", "state = 'failed' AND error LIKE '%nothing is paid twice%'") == 1
        assert len(server.requests) == 1
        assert lux.count("agent_run_events", "kind = 'text'") > 2, "the partial text is kept"
        assert lux.count("ai_calls", "state = 'reserved' AND cost_usd > 0") == 1, "the lost call keeps counting"


@pytest.mark.parametrize("delay_seconds", [0.0, 0.2, 0.6])
def test_whenever_the_worker_is_killed_the_run_ends_and_asks_once(
    start_lux: Callable[..., Lux], delay_seconds: float
) -> None:
    with OpenAIServer(piece_delay_seconds=0.02) as server:
        lux = start_lux(has_web=False, has_worker=True, OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        run_id = start_one(lux)
        wait_until(lambda: lux.count("agent_runs", "state <> 'waiting'") == 1, "the run to begin")
        time.sleep(delay_seconds)
        lux.kill_worker()
        lux.start_worker()
        wait_until(lambda: ended(lux, run_id), "the run to end", 60)
        assert len(server.requests) <= 1
        assert lux.count("agent_run_versions") == lux.count("agent_runs", "state = 'done'")
