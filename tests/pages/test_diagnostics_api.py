"""What operators curl: errors with filters and a cursor, and health."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from error_logger import ErrorLogger, error_logger
from extensions import db
from tests import makers

TOKEN = "operator-token-for-tests"
AWAY = {"REMOTE_ADDR": "203.0.113.7"}
FIELDS = {
    "id", "error_type", "error_message", "error_stack", "endpoint", "method", "user_id", "severity", "is_resolved",
    "resolution_notes", "created_at", "group_id", "occurrences", "first_seen", "last_seen", "state",
}  # fmt: skip


@pytest.fixture
def operated(make_app: Callable[..., Flask], app: Flask) -> Iterator[Flask]:
    """An app with an operator token, and its error logger."""
    running = make_app(OPERATOR_TOKEN=TOKEN)
    with running.app_context():
        yield running
        db.session.remove()


def ask(app: Flask, path: str, **headers: str) -> tuple[int, dict[str, object]]:
    given = headers or {"Authorization": f"Bearer {TOKEN}"}
    answer = app.test_client().get(path, headers=given, environ_base=AWAY)
    assert answer.json is not None
    return answer.status_code, answer.json


def make_errors(logger: ErrorLogger) -> None:
    for number in range(7):
        logger.capture(ValueError(f"order {number}"), place="GET /orders")
    logger.capture(KeyError("e_mail%"), place="POST /hook", severity="critical")
    assert logger.flush_now()


def test_errors_have_the_columns_of_the_schema_and_their_group(operated: Flask) -> None:
    make_errors(error_logger())
    status, body = ask(operated, "/api/diagnostics/errors?hours=24&limit=20")
    assert status == 200
    errors = body["errors"]
    assert isinstance(errors, list)
    assert set(errors[0]) >= FIELDS
    assert body["count"] == body["total"] == len(errors)
    assert {error["occurrences"] for error in errors} == {7, 1}


def test_pages_follow_each_other_by_cursor_without_gap_or_double(operated: Flask) -> None:
    make_errors(error_logger())
    seen: list[int] = []
    cursor = ""
    while True:
        _, body = ask(operated, f"/api/diagnostics/errors?limit=2&cursor={cursor}")
        seen += [error["id"] for error in body["errors"]]  # type: ignore[attr-defined]  # JSON
        cursor = str(body["next_cursor"] or "")
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == body["total"]
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("query", "count"), [("severity=critical", 1), ("q=mail%25", 1), ("q=_rder", 0), ("resolved=true", 0)]
)
def test_filters_hold(operated: Flask, query: str, count: int) -> None:
    make_errors(error_logger())
    assert ask(operated, f"/api/diagnostics/errors?{query}")[1]["total"] == count


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "hours=-1", "severity=bad", "resolved=maybe", "cursor=a", "hours=nan"]
)
def test_a_wrong_filter_is_named(operated: Flask, query: str) -> None:
    status, body = ask(operated, f"/api/diagnostics/errors?{query}")
    assert status == 422
    assert query.split("=")[0] in str(body["message"])


def test_only_operators_see_errors(operated: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    assert ask(operated, "/api/diagnostics/errors", Authorization="Bearer wrong")[0] == 401
    assert ask(operated, "/api/diagnostics/errors", Accept="*/*")[0] == 401
    for role, status in (("marketer", 403), ("operator", 200)):
        client = makers.signed_in_client(operated, makers.make_user(role=role))
        assert client.get("/api/diagnostics/errors", environ_base=AWAY).status_code == status


def test_curl_on_the_same_machine_works_in_development(operated: Flask) -> None:
    assert operated.test_client().get("/api/diagnostics/errors").status_code == 200


def test_health_tells_operators_all_and_others_the_state(operated: Flask) -> None:
    status, body = ask(operated, "/api/diagnostics/health")
    checks = body["checks"]
    assert isinstance(checks, dict)
    assert checks["database"][0]["status"] == "pass"
    assert checks["worker"][0]["status"] == "fail"
    assert (status, body["status"]) == (503, "fail")
    answer = operated.test_client().get("/api/diagnostics/health", environ_base=AWAY)
    assert answer.mimetype == "application/health+json"
    assert answer.json == {"status": "fail"}


def test_a_living_worker_makes_health_pass_or_warn(operated: Flask, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO process_heartbeats (kind, name) VALUES ('worker', 'here:1'), ('clock', 'here:2')"
        )
    status, body = ask(operated, "/api/diagnostics/health")
    assert (status, body["status"]) == (200, "warn")


def test_health_answers_without_a_database(make_app: Callable[..., Flask]) -> None:
    dead = make_app(OPERATOR_TOKEN=TOKEN, DATABASE_URL="postgresql://lux@127.0.0.1:1/lux")
    status, body = ask(dead, "/api/diagnostics/health")
    assert (status, body["status"]) == (503, "fail")
