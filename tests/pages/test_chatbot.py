"""POST /chatbot/send: who may, what comes back, streams, limits, Stop; by rules, data and documents alone."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from accounts.webhook_credentials import add_credential
from conversation.turns import Asker, TurnRecord, start_turn
from error_logger import error_logger
from extensions import db
from models import ChatTurn
from tests import makers
from tests.fakes.openai_server import OpenAIServer
from tests.servers import Lux, wait_until

MakeApp = Callable[..., Flask]
SignIn = Callable[..., FlaskClient]
KEYS = {"response", "action", "provider", "evidence", "repair", "conversation_id"}
LOOPBACK = {"REMOTE_ADDR": "127.0.0.1"}


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


def test_a_dry_run_changes_nothing_and_offers_the_repair(app: Flask, sign_in: SignIn) -> None:
    add_error()
    answer = ask(sign_in("operator"), "What would a repair do?")
    assert answer["action"] == "message"
    assert answer["repair"]["status"] == "dry_run"
    turn = db.session.scalars(select(ChatTurn)).one()
    assert [card["confirm"] for card in turn.cards] == ["Fix it"]


QUESTIONS = {
    "How are my campaigns doing?": "No campaign has been sent yet",
    "Which campaign was best?": "only show chance",
    "hello": "How are my campaigns doing?",
    "How do I import contacts?": "(/help/",
    "What waits for me?": "Nothing waits for you",
    "Which agents are there?": "[Email & CRM](/agents/email_crm)",
    "Give me subject lines for the spring offer": "spring offer is here",
    "What should I send next?": "Engaged readers",
    "xyzzy": "I have no answer to that",
    "What did AI cost today?": "nothing is spent",
    "Which segments do I have?": "There are no segments yet",
    "How many people can I write to?": "have agreed to get mail",
    "What can you do?": "/agents/",
}


@pytest.mark.parametrize("message", QUESTIONS)
def test_without_a_key_rules_data_and_documents_answer(sign_in: SignIn, message: str) -> None:
    assert QUESTIONS[message] in ask(sign_in("viewer"), message)["response"]


def test_contacts_are_told_as_figures_and_nobodys_address(sign_in: SignIn) -> None:
    for _ in range(3):
        makers.make_contact()
    answer = ask(sign_in("viewer"), "How many contacts do I have?")
    assert "3 contacts" in answer["response"]
    assert "@example.com" not in answer["response"]
    assert answer["evidence"] == ["figure:contacts"]


def test_action_diagnose_reads_the_four_sources(sign_in: SignIn) -> None:
    answer = ask(sign_in("operator"), "", action="diagnose")
    assert answer["action"] == "diagnose"
    for source in ("nginx", "gunicorn", "systemd", "app"):
        assert f"**{source}**" in answer["response"]


def test_a_pasted_log_is_diagnosed(sign_in: SignIn) -> None:
    line = (
        "2026/11/23 05:09:11 [error] 12#12: *1 connect() failed (111: Connection refused) while connecting to upstream"
    )
    assert "nginx-upstream-refused" in ask(sign_in("operator"), line)["response"]


# ── Who may ──


@pytest.mark.parametrize("role", ["viewer", "marketer"])
def test_who_is_no_operator_gets_nothing_of_errors_logs_and_repair(sign_in: SignIn, role: str) -> None:
    add_error("canary-in-an-error")
    client = sign_in(role)
    for message in (
        "What's wrong with my system?", "Show me the errors", "What do the logs say?", "Fix it",
        "What would a repair do?", "Is my database healthy?", "Traceback (most recent call last):",
    ):  # fmt: skip
        answer = ask(client, message)
        assert answer["repair"] is None
        assert "canary" not in str(answer)
        assert "ConnectionError" not in str(answer)
        assert not [one for one in answer["evidence"] if one.startswith(("group", "error", "health", "log"))]
    refused = client.post("/chatbot/send", json={"message": "x", "action": "diagnose"})
    assert refused.status_code == 403
    assert refused.mimetype == "application/problem+json"


def test_a_person_who_waits_and_a_stranger_are_refused(make_app: MakeApp, sign_in: SignIn) -> None:
    waiting = sign_in(None).post("/chatbot/send", json={"message": "hello"})
    assert (waiting.status_code, waiting.mimetype) == (403, "application/problem+json")
    with production(make_app) as client:
        answer = client.post("/chatbot/send", json={"message": "hello"})
        assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")


def test_a_token_speaks_for_operators_and_zapiers_credential_for_nobody(make_app: MakeApp, app: Flask) -> None:
    made = add_credential("Zapier", by=None)
    with production(make_app, OPERATOR_TOKEN="an-operator-token-0123456789") as client:

        def status(authorization: str) -> int:
            headers = {"Authorization": authorization}
            return client.post("/chatbot/send", json={"message": "", "action": "diagnose"}, headers=headers).status_code

        assert status("Bearer an-operator-token-0123456789") == 200
        assert status("Bearer an-operator-token-012345678") == 401
        login = base64.b64encode(f"{made.username}:{made.password}".encode()).decode()
        assert status(f"Basic {login}") == 401
        assert status(f"Bearer {made.password}") == 401


def test_in_development_this_machine_asks_without_a_token(client: FlaskClient) -> None:
    body = {"message": "", "action": "diagnose"}
    assert client.post("/chatbot/send", json=body, environ_base=LOOPBACK).status_code == 200
    refused: list[dict[str, Any]] = [
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"Forwarded": "for=127.0.0.1"}},
        {"headers": {"Origin": "https://evil.example"}},
        {"headers": {"Origin": "null"}},
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
        {"base_url": "http://evil.example"},
        {"base_url": "http://127.0.0.1.evil.example"},
        {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}},
    ]
    for options in refused:
        answer = client.post("/chatbot/send", json=body, **{"environ_base": LOOPBACK, **options})
        assert answer.status_code in (401, 403), options


def test_a_browser_needs_its_token_against_forgery(sign_in: SignIn) -> None:
    client = sign_in("operator")
    assert isinstance(client, makers.Browser)
    client.csrf_token = ""
    assert client.post("/chatbot/send", json={"message": "Fix it"}).status_code == 400


# ── What comes in ──


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": 5}, "message"),
        ({"message": "x" * 8001}, "message"),
        ({"message": "x", "action": "reboot"}, "action"),
        ({"message": "x", "conversation_id": "7"}, "conversation_id"),
        ({"message": "x", "conversation_id": True}, "conversation_id"),
        ({"message": "x", "key": "y" * 101}, "key"),
        ([], "body"),
    ],
)
def test_what_cannot_be_used_is_named(sign_in: SignIn, body: Any, field: str) -> None:
    answer = sign_in("viewer").post("/chatbot/send", json=body)
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert list(answer.get_json()["errors"]) == [field]


def test_another_persons_conversation_is_not_there(app: Flask, sign_in: SignIn) -> None:
    number = ask(sign_in("operator"), "hello")["conversation_id"]
    stranger = sign_in("operator")
    assert stranger.post("/chatbot/send", json={"message": "x", "conversation_id": number}).status_code == 404
    assert stranger.get(f"/chatbot/conversations/{number}").status_code == 404
    assert stranger.delete(f"/chatbot/conversations/{number}").status_code == 404
    turn = db.session.scalars(select(ChatTurn)).one()
    assert stranger.get(f"/chatbot/turns/{turn.id}/events").status_code == 404
    assert stranger.post(f"/chatbot/turns/{turn.id}/stop").status_code == 404
    assert stranger.get(f"/ask/?conversation={number}").status_code == 404


def test_after_thirty_messages_within_a_minute_it_says_when_to_go_on(sign_in: SignIn) -> None:
    client = sign_in("viewer")
    for _ in range(30):
        ask(client, "thanks")
    answer = client.post("/chatbot/send", json={"message": "thanks"})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert ask(sign_in("viewer"), "thanks")["response"]


def test_a_message_sent_twice_is_answered_once(sign_in: SignIn, count_rows: Callable[[str], int]) -> None:
    client = sign_in("viewer")
    first, second = (ask(client, "How many contacts do I have?", key="the-same") for _ in range(2))
    assert first == second
    assert count_rows("chat_turns") == 1


def test_a_cleared_conversation_leaves_no_word(app: Flask, sign_in: SignIn, count_rows: Callable[[str], int]) -> None:
    client = sign_in("viewer")
    number = ask(client, "a canary in a message")["conversation_id"]
    assert client.delete(f"/chatbot/conversations/{number}").status_code == 204
    assert client.get(f"/chatbot/conversations/{number}").status_code == 404
    assert count_rows("chat_turn_events") == 0
    assert [turn.message + turn.response for turn in db.session.scalars(select(ChatTurn))] == [""]


# ── As a stream ──


def test_a_stream_ends_with_the_whole_answer_and_is_resumed_by_number(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("viewer")
    answer = client.post("/chatbot/send", json={"message": "hello"}, headers={"Accept": "text/event-stream"})
    assert answer.mimetype == "text/event-stream"
    answer.get_data()
    turn_id = db.session.scalars(select(ChatTurn.id)).one()
    address = f"/chatbot/turns/{turn_id}/events"
    wait_until(lambda: read_events(client.get(address).text)[-1][1] == "end", "the end")
    events = read_events(client.get(address).text)
    assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
    assert events[0][1] == "begin"
    assert set(events[-1][2]) >= KEYS | {"html", "state"}
    assert read_events(client.get(address, headers={"Last-Event-ID": "1"}).text) == events[1:]


def test_a_turn_whose_carrier_was_lost_is_ended_and_kept(app: Flask, sign_in: SignIn) -> None:
    user = makers.make_user(role="viewer")
    turn, _ = start_turn(Asker(f"user {user.id}", "Bo", "viewer", user.id), "How many contacts do I have?")
    turn_id = turn.id
    TurnRecord(turn_id).show("Three, as far as ")
    db.session.execute(update(ChatTurn).values(alive_until=datetime.now(UTC) - timedelta(seconds=1)))
    db.session.commit()
    events = read_events(sign_in(user=user).get(f"/chatbot/turns/{turn_id}/events").text)
    assert (events[-1][1], events[-1][2]["state"]) == ("end", "failed")
    db.session.expire_all()
    ended = db.session.get_one(ChatTurn, turn_id)
    assert (ended.state, ended.response) == ("failed", "Three, as far as ")
    assert "nothing is paid twice" in str(ended.error)


def test_a_hundred_streams_leave_room_for_others(start_lux: Callable[..., Lux]) -> None:
    with OpenAIServer(piece_delay_seconds=0.1) as server:
        server.answers = ["Spring is a good time to write. " * 20]
        lux = start_lux(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url, AI_DAILY_BUDGET_USD="500")
        headers = {"Accept": "text/event-stream", "Content-Type": "application/json"}
        body = json.dumps({"message": "When should I write?"}).encode()
        status, _, stream = lux.request("POST", "/chatbot/send", body, headers)
        turn_id = read_events(stream.decode())[0][2]["turn_id"]
        assert status == 200

        def read(number: int) -> int:
            if number % 4:
                return lux.request("GET", f"/chatbot/turns/{turn_id}/events", None, headers)[0]
            return lux.request("POST", "/chatbot/send", body, headers)[0]

        with ThreadPoolExecutor(100) as pool:
            answers = [pool.submit(read, number) for number in range(100)]
            for _ in range(5):
                assert lux.request("GET", "/livez")[0] == 200
            assert {answer.result() for answer in answers} == {200}


@contextlib.contextmanager
def production(make_app: MakeApp, **settings: str) -> Iterator[FlaskClient]:
    """A client of a LUX in production, over https and from this very machine."""
    app = make_app(LUX_ENV="production", LUX_PUBLIC_URL="https://lux.example", **settings)
    client = app.test_client()
    client.environ_base = {**client.environ_base, "wsgi.url_scheme": "https", **LOOPBACK}
    yield client


def read_events(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Number, kind and detail of each event of a stream."""
    found = re.findall(r"^id: (\d+)\nevent: (\w+)\ndata: (.*)$", text, re.MULTILINE)
    return [(int(number), kind, json.loads(detail)) for number, kind, detail in found]
