"""Browsers: a new id at each sign-in, an end after idleness and after a month, seen and revoked one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from accounts.roles import change_user
from accounts.sessions import delete_old_sessions
from extensions import db
from models import User, UserSession
from tests import makers
from tests.accounts.test_password_reset import open_page

SignIn = Callable[..., FlaskClient]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def token_of(client: FlaskClient) -> str:
    with client.session_transaction() as cookie:
        return str(cookie.get("token"))


def is_in(client: FlaskClient) -> bool:
    return client.get("/settings/").status_code == 200


def age(column: str, interval: str) -> None:
    db.session.execute(text(f"UPDATE user_sessions SET {column} = now() - interval '{interval}'"))
    db.session.commit()


def test_each_sign_in_gets_a_new_session_id(app: Flask) -> None:
    user = makers.make_user()
    client = open_page(app, "/sign-in")
    tokens = []
    for _ in range(2):
        client.post("/sign-in", data={"email": user.email, "password": makers.PASSWORD})
        tokens.append(token_of(client))
        page = makers.soup(client.get("/settings/"))
        client.csrf_token = str(page.select("meta[name=csrf-token]")[0]["content"])
    assert len(set(tokens)) == 2


def test_signing_in_again_ends_the_session_before_it(app: Flask) -> None:
    user = makers.make_user()
    client = open_page(app, "/sign-in")
    client.post("/sign-in", data={"email": user.email, "password": makers.PASSWORD})
    page = makers.soup(client.get("/settings/"))
    client.csrf_token = str(page.select("meta[name=csrf-token]")[0]["content"])
    client.post("/sign-in", data={"email": user.email, "password": makers.PASSWORD})
    live = select(func.count()).select_from(UserSession).where(UserSession.ended_at.is_(None))
    assert db.session.scalar(live) == 1


def test_an_id_planted_before_signing_in_opens_nothing(app: Flask) -> None:
    """Session fixation: what the browser brought along is forgotten."""
    user = makers.make_user()
    client = open_page(app, "/sign-in")
    with client.session_transaction() as cookie:
        cookie["token"] = "planted"
    client.post("/sign-in", data={"email": user.email, "password": makers.PASSWORD})
    assert token_of(client) != "planted"


@pytest.mark.parametrize(
    ("column", "interval", "is_live"),
    [
        ("seen_at", "11 hours 59 minutes", True),
        ("seen_at", "12 hours 1 minute", False),
        ("created_at", "29 days 23 hours", True),
        ("created_at", "30 days 1 minute", False),
    ],
)
def test_a_session_ends_after_twelve_idle_hours_and_after_thirty_days(
    sign_in: SignIn, column: str, interval: str, is_live: bool
) -> None:
    client = sign_in("viewer")
    age(column, interval)
    assert is_in(client) is is_live


def test_browsers_are_listed_with_device_address_and_this_one_marked(app: Flask, sign_in: SignIn) -> None:
    user = makers.make_user()
    here, there = sign_in(user=user), sign_in(user=user)
    db.session.execute(text("UPDATE user_sessions SET user_agent = :agent, peer = '203.0.113.9'"), {"agent": FIREFOX})
    db.session.commit()
    rows = makers.soup(here.get("/settings/sessions")).select("tbody tr")
    assert len(rows) == 2
    assert all("Firefox on Linux" in row.get_text() and "203.0.113.9" in row.get_text() for row in rows)
    assert ["This one" in row.get_text() for row in rows].count(True) == 1
    assert is_in(there)


def test_one_browser_is_signed_out_and_the_other_stays(sign_in: SignIn) -> None:
    user = makers.make_user()
    here, there = sign_in(user=user), sign_in(user=user)
    form = makers.soup(here.get("/settings/sessions")).select("tbody form")
    assert len(form) == 1
    assert here.post(str(form[0]["action"])).status_code == 303
    assert (is_in(here), is_in(there)) == (True, False)


def test_nobody_ends_somebody_elses_session(sign_in: SignIn) -> None:
    mine, theirs = sign_in("owner"), sign_in("viewer")
    session_id = db.session.scalars(select(UserSession.id).order_by(UserSession.id.desc())).first()
    assert mine.post(f"/settings/sessions/{session_id}/end").status_code == 404
    assert is_in(theirs)


def test_signing_out_everywhere_signs_out_everywhere(sign_in: SignIn) -> None:
    user = makers.make_user()
    here, there = sign_in(user=user), sign_in(user=user)
    assert here.post("/settings/sessions/end").status_code == 303
    assert (is_in(here), is_in(there)) == (False, False)


def test_signing_out_ends_the_session_on_the_server(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("viewer")
    cookie = client.get_cookie("lux")
    assert cookie is not None
    client.post("/sign-out")
    copied = makers.Browser(app, app.response_class)
    copied.set_cookie("lux", cookie.value)
    assert not is_in(copied)


@pytest.mark.parametrize("change", [("viewer", "active"), ("marketer", "disabled"), (None, "active")])
def test_a_change_of_role_or_state_ends_every_session_at_once(
    app: Flask, sign_in: SignIn, change: tuple[str | None, str]
) -> None:
    owner, user = makers.make_user(), makers.make_user(role="marketer")
    browsers = [sign_in(user=user), sign_in(user=user)]
    assert all(map(is_in, browsers))
    change_user(user.id, role=change[0], state=change[1], by=owner, peer="127.0.0.1")
    assert not any(map(is_in, browsers))


def test_saving_a_user_unchanged_signs_nobody_out(app: Flask, sign_in: SignIn) -> None:
    owner, user = makers.make_user(), makers.make_user(role="marketer")
    browser = sign_in(user=user)
    change_user(user.id, role="marketer", state="active", by=owner, peer="127.0.0.1")
    assert is_in(browser)


def test_sessions_are_forgotten_a_month_after_their_end(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("viewer")
    sign_in("viewer")
    age("ended_at", "31 days")
    db.session.execute(text("UPDATE user_sessions SET ended_at = NULL WHERE id = (SELECT min(id) FROM user_sessions)"))
    db.session.commit()
    assert delete_old_sessions() == 1
    assert is_in(client)


def test_the_session_cookie_is_bound_to_the_host_in_production(make_app: Callable[..., Flask], app: Flask) -> None:
    production = make_app(LUX_ENV="production", LUX_PUBLIC_URL="https://lux.example")
    user = makers.make_user()
    client = makers.Browser(production, production.response_class)
    page = makers.soup(client.get("/sign-in", base_url="https://lux.example"))
    client.csrf_token = str(page.select("meta[name=csrf-token]")[0]["content"])
    form = {"email": user.email, "password": makers.PASSWORD}
    headers = {"Referer": "https://lux.example/sign-in"}
    answer = client.post("/sign-in", data=form, base_url="https://lux.example", headers=headers)
    cookie = answer.headers["Set-Cookie"]
    assert answer.status_code == 303
    assert cookie.startswith("__Host-lux=")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


def test_the_cookie_holds_no_password_hash_and_no_role(sign_in: SignIn) -> None:
    with sign_in("owner").session_transaction() as cookie:
        assert set(cookie) == {"token", "csrf_token"}


def test_the_database_holds_no_session_token(app: Flask, sign_in: SignIn) -> None:
    token = token_of(sign_in("owner"))
    rows = db.session.execute(text("SELECT t::text FROM user_sessions t")).scalars().all()
    assert rows
    assert not any(token in row for row in rows)


def test_a_signed_in_page_is_never_kept_by_the_browser(sign_in: SignIn) -> None:
    assert sign_in("owner").get("/settings/").headers["Cache-Control"] == "no-store"


def test_signing_in_notes_when(app: Flask) -> None:
    user = makers.make_user()
    client = open_page(app, "/sign-in")
    client.post("/sign-in", data={"email": user.email, "password": "nonsense, all of it"})
    assert db.session.scalars(select(User.signed_in_at)).one() is None
    client.post("/sign-in", data={"email": user.email, "password": makers.PASSWORD})
    db.session.rollback()
    assert db.session.scalars(select(User.signed_in_at)).one() is not None
