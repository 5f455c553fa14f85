"""Faults of the mail server and the model, brought about for real over their own protocols; the model never helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from ai import CIRCUIT_SWITCH, ModelFailed, Question, ask, find_circuit_wait
from auto_repair_service import approve_step, undo, verify_open
from campaigns.channel_states import find_pause_reason, find_rest, resume_channel
from channels import find_channel
from channels.base import ChannelError
from config import current_settings
from error_logger import error_logger
from extensions import db
from models import RepairReceipt
from probes import dependencies
from receipts.switches import turn_switch
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.smtp_server import SmtpServer
from tests.repair_scene import ADA, newest_group, repair, state_of

MakeApp = Callable[..., Flask]


@pytest.fixture
def in_app(make_app: MakeApp, app: Flask) -> Iterator[Callable[..., None]]:
    """Enters an app with changed settings until the test ends."""
    contexts = []

    def enter(**settings: str) -> None:
        context = make_app(**settings).app_context()
        context.push()
        contexts.append(context)

    yield enter
    for context in reversed(contexts):
        db.session.remove()
        context.pop()


def fail_to_send() -> int:
    """Opens the mail channel, as a sending task does; the group of what it said."""
    channel = find_channel("email")
    assert channel is not None
    try:
        channel.open(current_settings(), connections=1).close()
    except ChannelError as error:
        error_logger().capture(error, place="task send_due_messages")
        return newest_group()
    raise AssertionError("the mail server took us")


def fail_to_ask(seconds: float = 8.0) -> int:
    """Asks the model, as an agent's run does; the group of what it said."""
    question = Question("agents.run", [{"role": "user", "content": "Hello"}], longest_answer_tokens=20)
    try:
        ask(question, time_budget_seconds=seconds)
    except ModelFailed as error:
        error_logger().capture(error, place="task run_agent")
        return newest_group()
    raise AssertionError("the model answered")


def action_of(result: dict[str, Any], repair_id: str) -> dict[str, Any]:
    return next(action for action in result["actions"] if action["repair"] == repair_id)


def test_a_refused_sign_in_pauses_the_channel_and_is_proved_once_the_password_is_right(
    in_app: Callable[..., None],
) -> None:
    with SmtpServer(refuse_sign_in=True, user="lux", password="right") as server:
        in_app(SMTP_URL=server.url("timeout=5", user="lux:wrong@"))
        group_id = fail_to_send()
        result = repair(group_id)
        assert result["diagnosis"]["rule"] == "mail-sign-in-refused"
        assert action_of(result, "pause_channel")["state"] == "done"
        assert find_pause_reason("email") is not None
        assert result["state"] == "needs_human" and result["resolved"] is False
        # It is not tried again and again: each refused sign-in brings a lock-out nearer.
        tried = server.connections
        assert repair(group_id)["resolved"] is False
        assert server.connections - tried <= 1
        server.refuse_sign_in = False
        in_app(SMTP_URL=server.url("timeout=5", user="lux:right@"))
        resume_channel("email")
        assert repair(group_id)["state"] == "resolved_verified"
        assert state_of(group_id) == "resolved_verified"


def test_a_throttling_server_is_sent_to_more_slowly(in_app: Callable[..., None]) -> None:
    with SmtpServer(most_connections=0) as server:
        in_app(SMTP_URL=server.url("timeout=5"))
        group_id = fail_to_send()
        result = repair(group_id)
        assert result["diagnosis"]["rule"] == "mail-throttled"
        action = action_of(result, "slow_domain")
        assert action["state"] == "done" and find_rest("email") is not None
        assert result["resolved"] is False
        undo(action["step_id"], ADA)
        assert find_rest("email") is None


def test_a_hanging_mail_server_is_named_and_the_channel_waits(in_app: Callable[..., None]) -> None:
    with SmtpServer(greeting_delay_seconds=20) as server:
        in_app(SMTP_URL=server.url("timeout=1"))
        result = repair(fail_to_send())
        assert result["diagnosis"]["rule"] == "mail-server-unreachable"
        assert result["resolved"] is False
        assert find_pause_reason("email") is not None


@pytest.mark.parametrize(
    ("mood", "rule", "repair_id", "tier"),
    [
        ("unauthorized", "model-key-refused", "restart_unit", "P"),
        ("no_quota", "model-quota", "open_circuit", "A"),
        ("rate_limited", "model-rate-limited", "retry_job", "A"),
        ("unknown_model", "model-not-found", "use_fallback_model", "P"),
        ("hang", "model-unreachable", "open_circuit", "A"),
        ("html", "model-answer-broken", "open_circuit", "A"),
    ],
)
def test_a_fault_of_the_model_is_named_and_contained(
    in_app: Callable[..., None], monkeypatch: pytest.MonkeyPatch, mood: str, rule: str, repair_id: str, tier: str
) -> None:
    monkeypatch.setattr(dependencies, "MODEL_SECONDS", 1.5)
    with OpenAIServer() as server:
        server.moods = [mood] * 30
        in_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        group_id = fail_to_ask(2.0)
        result = repair(group_id)
        assert result["diagnosis"]["rule"] == rule
        action = action_of(result, repair_id)
        assert action["tier"] == tier
        assert result["resolved"] is False
        if repair_id == "open_circuit":
            assert action["state"] == "done" and action["automatic"]
            assert find_circuit_wait() > 60
            assert result["state"] == "needs_human"
            asked = len(server.requests)
            with pytest.raises(ModelFailed, match="rest"):
                ask(Question("agents.run", [{"role": "user", "content": "Hello"}]))
            assert len(server.requests) == asked
        else:
            assert action["state"] == "blocked"


def test_a_fault_of_the_model_is_proved_gone_once_it_answers_again(in_app: Callable[..., None]) -> None:
    with OpenAIServer() as server:
        server.moods = ["no_quota"] * 30
        in_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        group_id = fail_to_ask()
        result = repair(group_id)
        server.moods = []
        undo(action_of(result, "open_circuit")["step_id"], ADA)
        assert state_of(group_id) == "open"
        # The circuit of the failed calls is still open by itself: closed by hand, what failed before does not count.
        turn_switch(CIRCUIT_SWITCH, is_on=False, by="Ada Lovelace")
        db.session.commit()
        assert find_circuit_wait() == 0
        assert repair(group_id)["state"] == "verifying"
        for _ in range(3):
            verify_open()
        assert state_of(group_id) == "resolved_verified"


def test_a_retired_model_is_replaced_on_a_persons_word_and_put_back(in_app: Callable[..., None]) -> None:
    with OpenAIServer() as server:
        # The first model is gone for good, the fallback is there.
        server.answers = ["Hello."]
        server.moods = ["unknown_model"]
        in_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        group_id = fail_to_ask()
        in_app(
            OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url, OPENAI_MODEL="gone", OPENAI_FALLBACK_MODEL="spare"
        )
        result = repair(group_id, mode="diagnose")
        action = action_of(result, "use_fallback_model")
        assert action["state"] == "waiting" and "spare instead of gone" in action["dry_run"]
        approve_step(action["plan_id"], action["digest"], ADA)
        assert server.requests[-1]["model"] == "spare"
        kinds = list(db.session.scalars(select(RepairReceipt.kind)))
        assert kinds[0] == "action"
        undo(action["step_id"], ADA)
        ask(Question("agents.run", [{"role": "user", "content": "Hello"}], longest_answer_tokens=20))
        assert server.requests[-1]["model"] == "gone"


def test_a_missing_key_is_explained_with_the_units_lines(in_app: Callable[..., None]) -> None:
    in_app()
    group_id = fail_to_ask()
    result = repair(group_id)
    assert result["diagnosis"]["rule"] == "model-key-missing"
    assert result["actions"] == [] and result["state"] == "needs_human"
    assert any("EnvironmentFile" in step for step in result["fix_steps"])
