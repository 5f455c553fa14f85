"""POST /chatbot/send: who may, what comes back, streams, limits, Stop; without a key and with a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from error_logger import error_logger
from extensions import db
from models import ChatTurn, Conversation
from tests import makers

SignIn = Callable[..., FlaskClient]
KEYS = {"response", "action", "provider", "evidence", "repair", "conversation_id"}


def ask(client: FlaskClient, message: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/chatbot/send", json={"message": message, **more})
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    return found


def add_error(words: str = "The mail server refused message 7.") -> None:
    try:
        raise ConnectionError(words)
    except ConnectionError as error:
        error_logger().capture(error, place="task send_due_messages")
    assert error_logger().flush_now()


def test_the_answer_has_exactly_the_fields_that_programs_rely_on(sign_in: SignIn) -> None:
    answer = ask(sign_in("marketer"), "How many contacts do I have?")
    assert set(answer) == KEYS
    assert answer["action"] == "message"
    assert answer["provider"] == "playbook"
    assert answer["repair"] is None
    assert "no contacts yet" in answer["response"]
    assert "no AI key is set" in answer["response"]


def test_what_is_wrong_gets_a_real_answer_without_a_key(sign_in: SignIn) -> None:
    add_error()
    answer = ask(sign_in("operator"), "What's wrong with my system?")
    assert "ConnectionError" in answer["response"]
    assert any(one.startswith("group:") for one in answer["evidence"])
    assert answer["repair"] is None


def test_fix_it_brings_the_report_in_the_same_answer(sign_in: SignIn) -> None:
    add_error()
    client = sign_in("operator")
    first = ask(client, "What's wrong with my system?")
    answer = ask(client, "Fix it", conversation_id=first["conversation_id"])
    assert answer["action"] == "repair"
    assert answer["repair"]["examined"] == 1
    assert set(answer["repair"]["results"][0]) >= {"error_id", "diagnosis", "actions", "test_results", "state"}
    assert answer["conversation_id"] == first["conversation_id"]


@pytest.mark.parametrize("message", ["How are my campaigns doing?","Which campaign was best?","hello","How do I import contacts?","What waits for me?","Which agents are there?","Give me subject lines for the spring offer","What should I send next?","xyzzy","what did AI cost today?","segments","how many can I write to","What can you do?", "Show me the errors","what do the logs say","is the database healthy", "2026/11/23 05:09:11 [error] 12#12: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 1.2.3.4"])
def test_show(sign_in: SignIn, message: str) -> None:
    for role in ("viewer", "owner"):
        print("-----", role, message); print(ask(sign_in(role), message)["response"])
