"""A forgotten password: by mail, once, within the hour, and without telling who has an account."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select, text, update

from accounts.passwords import is_right_password
from accounts.throttle import FREE_TRIES_PER_ACCOUNT
from extensions import db
from models import AuditEntry, OneTimeLink, User
from tests import makers
from tests.account_mail import carry_out_queue, find_link, list_mails, list_queue

NEW = "eight green umbrellas"
RESET = "/password-reset/"


def open_page(app: Flask, path: str) -> makers.Browser:
    """A browser that has the page open, and so a CSRF token."""
    client = makers.Browser(app, app.response_class)
    page = makers.soup(client.get(path))
    client.csrf_token = str(page.select("meta[name=csrf-token]")[0]["content"])
    return client


def ask(app: Flask, email: str) -> Any:
    return open_page(app, RESET).post(RESET, data={"email": email})


def get_link(app: Flask, user: User) -> str:
    assert ask(app, user.email).status_code == 200
    carry_out_queue()
    return find_link(user.email, RESET)


def choose(app: Flask, link: str, password: str = NEW) -> Any:
    client = open_page(app, RESET)
    return client.post(link, data={"password": password})


def test_a_mail_brings_a_link_that_sets_a_new_password(app: Flask) -> None:
    user = makers.make_user()
    link = get_link(app, user)
    assert open_page(app, link).get(link).status_code == 200
    answer = choose(app, link)
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    db.session.expire_all()
    assert is_right_password(user.password_hash, NEW)
    carry_out_queue()
    assert "was changed" in list_mails(user.email)[0]["Subject"]
    actions = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["password_reset_asked", "password_reset"]


def test_the_reset_link_works_once(app: Flask) -> None:
    link = get_link(app, makers.make_user())
    assert choose(app, link).status_code == 303
    assert choose(app, link, "nine purple bicycles").status_code == 404


def test_a_newer_reset_link_ends_the_older_one(app: Flask) -> None:
    user = makers.make_user()
    first, second = get_link(app, user), get_link(app, user)
    assert first != second
    assert choose(app, first).status_code == 404
    assert choose(app, second).status_code == 303


def test_the_reset_link_ends_after_an_hour(app: Flask) -> None:
    link = get_link(app, makers.make_user())
    row = db.session.scalars(select(OneTimeLink)).one()
    assert row.expires_at is not None
    assert timedelta(minutes=59) < row.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    db.session.execute(update(OneTimeLink).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    db.session.commit()
    assert choose(app, link).status_code == 404


def test_neither_the_database_nor_the_queue_holds_the_reset_token(app: Flask) -> None:
    user = makers.make_user()
    ask(app, user.email)
    queued = str(list_queue())
    carry_out_queue()
    token = find_link(user.email, RESET).removeprefix(RESET)
    rows = db.session.execute(text("SELECT t::text FROM one_time_links t")).scalars().all()
    assert token not in queued
    assert rows
    assert not any(token in row for row in rows)


def test_a_bad_password_leaves_the_reset_link_usable(app: Flask) -> None:
    link = get_link(app, makers.make_user())
    for bad in ("short", "passwordpassword", ""):
        assert choose(app, link, bad).status_code == 422
    assert choose(app, link).status_code == 303


def test_a_reset_signs_every_browser_out(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    user = makers.make_user()
    browsers = [sign_in(user=user), sign_in(user=user)]
    assert choose(app, get_link(app, user)).status_code == 303
    assert [browser.get("/settings/").status_code for browser in browsers] == [303, 303]


def test_a_reset_does_not_get_around_the_second_factor(app: Flask) -> None:
    """The link sets a password and signs nobody in: the code is still asked for."""
    user = makers.make_user()
    client = open_page(app, RESET)
    client.post(get_link(app, user), data={"password": NEW})
    assert client.get("/settings/").location.startswith("/sign-in")


@pytest.mark.parametrize("kind", ["unknown", "disabled", "invited"])
def test_nobody_else_gets_a_reset_link(app: Flask, kind: str) -> None:
    user = makers.make_user()
    address = "nobody@lumen.example" if kind == "unknown" else user.email
    if kind == "disabled":
        user.state = "disabled"
    if kind == "invited":
        user.password_hash = None
    db.session.commit()
    assert ask(app, address).status_code == 200
    carry_out_queue()
    assert db.session.scalars(select(OneTimeLink)).all() == []
    assert all(RESET not in mail.get_content().splitlines() for mail in list_mails(address))


def test_the_answer_to_asking_tells_nothing_about_the_account(app: Flask) -> None:
    user = makers.make_user()
    answers = [ask(app, address) for address in (user.email, "n" * (len(user.email) - 14) + "@lumen.example")]
    bodies = [answer.get_data(as_text=True).split("<main", 1)[1] for answer in answers]
    assert answers[0].status_code == answers[1].status_code == 200
    assert bodies[0].replace(user.email, "X") == bodies[1].replace("n" * (len(user.email) - 14) + "@lumen.example", "X")


def work_done(app: Flask, act: Callable[[], object]) -> list[str]:
    """The statements that the database is sent, and the passwords that argon2 verifies, while `act` runs."""
    done: list[str] = []

    def note_statement(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        done.append(statement)

    def note_call(frame: Any, happening: str, _argument: Any) -> None:
        if happening == "call" and frame.f_code.co_name == "verify" and "argon2" in frame.f_code.co_filename:
            done.append("argon2 verify")

    event.listen(db.engine, "before_cursor_execute", note_statement)
    sys.setprofile(note_call)
    try:
        act()
    finally:
        sys.setprofile(None)
        event.remove(db.engine, "before_cursor_execute", note_statement)
    return done


def test_asking_for_a_reset_does_the_same_work_for_known_and_unknown_addresses(app: Flask) -> None:
    user = makers.make_user()
    client = open_page(app, RESET)
    known, unknown = (
        work_done(app, lambda address=address: client.post(RESET, data={"email": address}))  # type: ignore[misc]  # a default
        for address in (user.email, "nobody@lumen.example")
    )
    assert known == unknown
    assert len(known) > 4
    assert not any("FROM users" in statement for statement in known)


def test_signing_in_does_the_same_work_for_known_and_unknown_accounts(app: Flask) -> None:
    user = makers.make_user()
    client = open_page(app, "/sign-in")
    known, unknown = (
        work_done(app, lambda address=address: client.post("/sign-in", data={"email": address, "password": NEW}))  # type: ignore[misc]  # a default
        for address in (user.email, "nobody@lumen.example")
    )
    assert known == unknown
    assert known.count("argon2 verify") == 1


def test_asking_again_and_again_is_slowed_down_alike_for_all(app: Flask) -> None:
    user = makers.make_user()
    for address in (user.email, "nobody@lumen.example"):
        answers = [ask(app, address).status_code for _ in range(FREE_TRIES_PER_ACCOUNT + 1)]
        assert answers == [200] * FREE_TRIES_PER_ACCOUNT + [429]


@pytest.mark.parametrize("email", ["", "ada", "a\x00b", "@" * 300, " "])
def test_what_is_no_address_gets_a_sentence_beside_the_field(app: Flask, email: str) -> None:
    answer = ask(app, email)
    assert answer.status_code == 422
    assert "Enter your e-mail address" in answer.get_data(as_text=True)
