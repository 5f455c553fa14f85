"""The addresses of repair that programs call: exact answers, exact refusals, nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from accounts.webhook_credentials import add_credential
from error_logger import error_logger
from extensions import db
from models import ErrorLog, RepairPlan
from tests import makers
from tests.repair_scene import column_gone, newest_group

TOKEN = "operator-token-for-tests"
AWAY = {"REMOTE_ADDR": "203.0.113.7"}
REPORT = {"status", "examined", "resolved", "results"}
RESULT = {
    "error_id", "group_id", "diagnosis", "fix_steps", "actions", "test_results", "resolved", "state",
    "resolution_notes",
}  # fmt: skip
KINDS = {"endpoint", "status", "database", "configuration", "dependency", "traffic"}


@pytest.fixture
def operated(make_app: Callable[..., Flask], app: Flask) -> Iterator[Flask]:
    """An app with an operator token."""
    running = make_app(OPERATOR_TOKEN=TOKEN)
    with running.app_context():
        yield running
        db.session.remove()
        # What it still has to write is no error of the next test.
        error_logger().flush_now(10)


def call(app: Flask, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
    given = headers or {"Authorization": f"Bearer {TOKEN}"}
    answer = app.test_client().post(f"/api/auto-repair/{path}", json=body, headers=given, environ_base=AWAY)
    assert answer.json is not None
    if answer.status_code >= 400:
        assert answer.mimetype == "application/problem+json"
        assert set(answer.json) >= {"title", "detail", "message", "status"}
    return answer.status_code, answer.json


def make_error(place: str = "GET /wp-login.php") -> int:
    error_logger().capture(ValueError("broken"), place=place)
    group_id = newest_group()
    return int(db.session.scalars(select(ErrorLog.id).where(ErrorLog.group_id == group_id)).one())


def test_it_examines_every_open_error_and_answers_with_the_report(operated: Flask) -> None:
    first, second = make_error(), make_error("task import_contacts")
    status, body = call(operated, "start", {})
    assert status == 200
    assert set(body) == REPORT
    assert body["examined"] == 2 and body["resolved"] == 0
    assert {result["error_id"] for result in body["results"]} == {first, second}
    for result in body["results"]:
        assert set(result) == RESULT
        assert set(result["diagnosis"]) == {"rule", "cause", "confidence", "evidence"}
        assert result["resolved"] is False
        assert isinstance(result["fix_steps"], list) and result["fix_steps"]
        assert isinstance(result["resolution_notes"], dict)


def test_one_error_is_examined_with_its_test_results(operated: Flask) -> None:
    owner = makers.signed_in_client(operated, makers.make_user(role="owner"))
    with column_gone():
        assert owner.get("/contacts/").status_code == 500
        group_id = newest_group()
        error_id = int(db.session.scalars(select(ErrorLog.id).where(ErrorLog.group_id == group_id)).one())
        status, body = call(operated, "start", {"error_id": error_id})
    assert status == 200 and body["examined"] == 1
    result = body["results"][0]
    assert result["error_id"] == error_id and result["group_id"] == group_id
    assert f"error:{error_id}" in result["diagnosis"]["evidence"]
    assert {row["kind"] for row in result["test_results"]} <= KINDS
    for row in result["test_results"]:
        assert set(row) >= {"kind", "tried", "expected", "seen", "passed"}
    assert {row["kind"] for row in result["test_results"]} >= {"endpoint", "database"}


def test_a_call_without_a_body_is_a_call_over_everything(operated: Flask) -> None:
    answer = operated.test_client().post(
        "/api/auto-repair/start", headers={"Authorization": f"Bearer {TOKEN}"}, environ_base=AWAY
    )
    assert answer.status_code == 200
    assert answer.json == {"status": "nothing_to_do", "examined": 0, "resolved": 0, "results": []}


def test_a_dry_run_acts_on_nothing(operated: Flask) -> None:
    make_error()
    status, body = call(operated, "start", {"dry_run": True})
    assert status == 200 and body["status"] == "dry_run"
    assert body["results"][0]["state"] == "open"
    assert not any(action["automatic"] for action in body["results"][0]["actions"])


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("start", {"error_id": "5"}, "error_id"),
        ("start", {"error_id": True}, "error_id"),
        ("start", {"error_id": 1.5}, "error_id"),
        ("start", {"error_id": -1}, "error_id"),
        ("start", {"error_id": 2**80}, "error_id"),
        ("start", {"error_id": [1]}, "error_id"),
        ("start", {"dry_run": "yes"}, "dry_run"),
        ("start", {"dry_run": 1}, "dry_run"),
        ("start", {"eror_id": 5}, "eror_id"),
        ("start", [], "body"),
        ("start", "all", "body"),
        ("clear", {"older_than_hours": "24"}, "older_than_hours"),
        ("clear", {"older_than_hours": -1}, "older_than_hours"),
        ("clear", {"older_than_hours": True}, "older_than_hours"),
        ("clear", {"older_than_hours": 1e300}, "older_than_hours"),
        ("clear", {"older_than_hours": None}, "older_than_hours"),
        ("clear", {"hours": 1}, "hours"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_done(operated: Flask, path: str, body: Any, field: str) -> None:
    make_error()
    status, answer = call(operated, path, body)
    assert status == 422
    assert field in answer["errors"]
    assert db.session.scalar(select(func.count()).select_from(RepairPlan)) == 0


def test_broken_json_is_refused_by_name(operated: Flask) -> None:
    answer = operated.test_client().post(
        "/api/auto-repair/start", data=b"{", headers={"Authorization": f"Bearer {TOKEN}"}, environ_base=AWAY
    )
    assert answer.status_code == 422 and "body" in (answer.json or {})["errors"]


def test_an_unknown_error_is_not_found(operated: Flask) -> None:
    status, answer = call(operated, "start", {"error_id": 4711})
    assert status == 404 and "4711" in answer["detail"]


def test_clear_answers_with_how_many(operated: Flask) -> None:
    assert call(operated, "clear", {}) == (200, {"cleared": 0})
    assert call(operated, "clear", {"older_than_hours": 0.5}) == (200, {"cleared": 0})


@pytest.mark.parametrize("path", ["start", "clear"])
def test_nobody_else_gets_anything(operated: Flask, path: str) -> None:
    make_error()
    before = db.session.scalar(select(func.count()).select_from(RepairPlan))
    assert call(operated, path, {}, **{"X-Forwarded-For": "127.0.0.1"})[0] == 401
    assert call(operated, path, {}, Authorization="Bearer wrong")[0] == 401
    zapier = add_credential("Zapier", by=None)
    db.session.commit()
    answer = operated.test_client().post(
        f"/api/auto-repair/{path}", json={}, auth=(zapier.username, zapier.password), environ_base=AWAY
    )
    assert answer.status_code == 401
    for role in (None, "viewer", "marketer"):
        client: FlaskClient = makers.signed_in_client(operated, makers.make_user(role=role))
        assert client.post(f"/api/auto-repair/{path}", json={}, environ_base=AWAY).status_code == 403, role
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(RepairPlan)) == before


@pytest.mark.parametrize("role", ["operator", "owner"])
def test_an_operator_may_call_it_from_the_browser_with_the_pages_token(operated: Flask, role: str) -> None:
    client = makers.signed_in_client(operated, makers.make_user(role=role))
    assert client.post("/api/auto-repair/start", json={}, environ_base=AWAY).status_code == 200
    client.csrf_token = ""
    assert client.post("/api/auto-repair/start", json={}, environ_base=AWAY).status_code == 400


def test_on_this_machine_in_development_a_plain_call_is_enough(operated: Flask) -> None:
    client = operated.test_client()
    assert client.post("/api/auto-repair/start").status_code == 200
    assert client.post("/api/auto-repair/start", headers={"Origin": "https://evil.example"}).status_code == 401
    assert client.post("/api/auto-repair/start", headers={"Host": "evil.example"}).status_code == 401
    assert client.post("/api/auto-repair/start", headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 401
