"""Bearer tokens: 256 bits, shown once, kept hashed, within their scope and time, revoked at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from accounts.roles import change_user, delete_user
from accounts.tokens import FAILURES_BURST, add_token, delete_old_uses, find_token, is_live
from errors import InputInvalid
from extensions import db
from models import ApiToken, AuditEntry, User
from tests import makers

SignIn = Callable[..., FlaskClient]
ERRORS = "/api/diagnostics/errors"
AWAY = {"REMOTE_ADDR": "203.0.113.9"}


def make_token(*, by: User | None = None, scopes: tuple[str, ...] = ("operator",), days: int | None = 30) -> str:
    return add_token(
        "Backup script", scopes=scopes, days=days, by=by or makers.make_user(role="operator"), peer="127.0.0.1"
    ).text


def call(app: Flask, token: str, path: str = ERRORS, peer: str = "203.0.113.9", **more: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
    return app.test_client().get(path, headers=headers, environ_base={"REMOTE_ADDR": peer}, **more)


def entries(action: str) -> list[AuditEntry]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)))


def test_a_token_opens_what_operators_curl_without_a_session_or_a_csrf_token(app: Flask) -> None:
    assert call(app, make_token()).status_code == 200


def test_a_token_has_256_bits_and_no_two_are_alike(app: Flask) -> None:
    by = makers.make_user()
    made = {make_token(by=by) for _ in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch(r"lux_[\w-]{43}", token) for token in made)


def test_the_token_is_shown_once_and_kept_hashed(sign_in: SignIn) -> None:
    client = sign_in("operator")
    page = makers.soup(client.post("/settings/tokens/", data={"label": "Cron", "scopes": "operator", "days": "30"}))
    token = str(page.select("#copy-token")[0]["value"])
    rows = db.session.execute(
        text("SELECT t::text FROM api_tokens t UNION ALL SELECT a::text FROM audit_entries a")
    ).scalars()
    assert not any(token in row for row in rows)
    later = client.get("/settings/tokens/").get_data(as_text=True)
    assert token not in later
    assert f"…{token[-4:]}" in later


def test_a_revoked_token_is_refused_at_once(app: Flask, sign_in: SignIn) -> None:
    token = make_token()
    assert call(app, token).status_code == 200
    row = db.session.scalars(select(ApiToken)).one()
    assert sign_in("operator").post(f"/settings/tokens/{row.id}/revoke").status_code == 303
    assert call(app, token).status_code == 401


def test_an_expired_token_is_refused_at_once(app: Flask) -> None:
    token = make_token()
    db.session.execute(text("UPDATE api_tokens SET expires_at = now() - interval '1 second'"))
    db.session.commit()
    assert call(app, token).status_code == 401


@pytest.mark.parametrize("change", ["demoted", "disabled", "deleted"])
def test_the_tokens_of_somebody_who_may_no_longer_operate_end(app: Flask, change: str) -> None:
    owner, operator = makers.make_user(), makers.make_user(role="operator")
    token, other = make_token(by=operator), make_token(by=owner)
    if change == "deleted":
        delete_user(operator.id, by=owner, peer="127.0.0.1")
    else:
        role, state = ("viewer", "active") if change == "demoted" else ("operator", "disabled")
        change_user(operator.id, role=role, state=state, by=owner, peer="127.0.0.1")
    assert (call(app, token).status_code, call(app, other).status_code) == (401, 200)
    assert len(entries("token_revoked")) == 1


def test_a_token_works_as_bearer_only(app: Flask) -> None:
    token = make_token()
    client = app.test_client()
    assert client.get(f"{ERRORS}?token={token}", environ_base=AWAY).status_code == 401
    assert client.get(ERRORS, auth=("operator", token), environ_base=AWAY).status_code == 401
    client.set_cookie("token", token)
    assert client.get(ERRORS, environ_base=AWAY).status_code == 401


def test_a_token_opens_no_page_and_not_the_webhook(app: Flask) -> None:
    token = make_token()
    for path in ("/", "/contacts/", "/settings/users", "/settings/tokens/"):
        assert call(app, token, path).location.startswith("/sign-in"), path
    headers = {"Authorization": f"Bearer {token}"}
    answer = app.test_client().post("/api/webhook/zapier-contact", json={"email": "a@b.example"}, headers=headers)
    assert answer.status_code == 401


def test_a_token_for_figures_opens_the_figures_only(app: Flask) -> None:
    token = make_token(scopes=("metrics",))
    assert call(app, token, "/metrics").status_code == 200
    assert call(app, token).status_code == 401
    assert call(app, make_token(), "/metrics").status_code == 200


def test_wrong_tokens_are_throttled_and_right_ones_still_let_in(app: Flask) -> None:
    token = make_token()
    peer = "198.51.100.77"
    wrong = [call(app, f"lux_wrong{n}", peer=peer).status_code for n in range(FAILURES_BURST + 5)]
    assert wrong[:FAILURES_BURST] == [401] * FAILURES_BURST
    assert 429 in wrong[FAILURES_BURST:]
    assert call(app, token, peer=peer).status_code == 200
    assert call(app, "lux_wrong", peer="198.51.100.78").status_code == 401


def test_the_trail_tells_a_tokens_use_once_per_address_and_hour(app: Flask) -> None:
    token = make_token()
    for _ in range(5):
        call(app, token)
    call(app, token, peer="203.0.113.10")
    found = entries("token_used")
    assert [entry.peer for entry in found] == ["203.0.113.9", "203.0.113.10"]
    assert all("Backup script" in entry.actor for entry in found)


def test_the_token_of_the_settings_leaves_a_trail_too(make_app: Callable[..., Flask], app: Flask) -> None:
    other = make_app(OPERATOR_TOKEN="op-token-0123456789")
    for _ in range(3):
        assert call(other, "op-token-0123456789").status_code == 200
    assert [entry.subject for entry in entries("token_used")] == ["OPERATOR_TOKEN"]


def test_a_token_notes_when_and_from_where_it_was_used(app: Flask) -> None:
    call(app, make_token())
    db.session.rollback()
    row = db.session.scalars(select(ApiToken)).one()
    assert row.used_at is not None
    assert row.used_from == "203.0.113.9"


def test_old_uses_are_forgotten(app: Flask) -> None:
    call(app, make_token())
    db.session.execute(text("UPDATE token_uses SET hour = now() - interval '3 days'"))
    db.session.commit()
    assert delete_old_uses() == 1


@pytest.mark.parametrize("role", ["viewer", "marketer"])
def test_only_operators_and_owners_make_tokens(sign_in: SignIn, role: str) -> None:
    client = sign_in(role)
    assert client.get("/settings/tokens/").status_code == 403
    assert client.post("/settings/tokens/", data={"label": "x", "scopes": "operator"}).status_code == 403


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"label": "", "scopes": "operator"}, "label"),
        ({"label": "Cron"}, "scopes"),
        ({"label": "Cron", "scopes": "owner"}, "scopes"),
        ({"label": "Cron", "scopes": "operator", "days": "-1"}, "days"),
        ({"label": "Cron", "scopes": "operator", "days": "99999"}, "days"),
    ],
)
def test_a_wrong_field_gets_its_sentence_and_no_token_is_made(
    sign_in: SignIn, count_rows: Callable[[str], int], form: dict[str, str], field: str
) -> None:
    answer = sign_in("operator").post("/settings/tokens/", data=form)
    assert answer.status_code == 422
    assert makers.soup(answer).select(f"#field-{field}-error")
    assert count_rows("api_tokens") == 0


def test_a_token_without_an_end_lives_on(app: Flask) -> None:
    token = find_token(make_token(days=None))
    assert token is not None
    assert is_live(token)


def test_a_scope_that_nobody_knows_is_refused(app: Flask) -> None:
    with pytest.raises(InputInvalid):
        add_token("x", scopes=["operator", "root"], days=1, by=makers.make_user(), peer="127.0.0.1")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(bearer=st.one_of(st.text(max_size=80), st.text(max_size=80).map(lambda text: f"lux_{text}")))
def test_no_other_text_is_a_token(app: Flask, bearer: str) -> None:
    if not db.session.scalars(select(ApiToken.id)).first():
        make_token()
    assert find_token(bearer) is None
