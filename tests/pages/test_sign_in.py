"""Signing in, the first start, and what the door lets through."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from accounts.first_start import find_owner_token
from extensions import db
from tests import makers


def post_sign_in(app: Flask, email: str, password: str, target: str = "/") -> tuple[FlaskClient, TestResponse]:
    client = app.test_client()
    page = client.get("/sign-in").get_data(as_text=True)
    token = page.split('name="csrf-token" content="', 1)[1].split('"', 1)[0]
    form = {"email": email, "password": password, "csrf_token": token, "next": target}
    return client, client.post("/sign-in", data=form)


def test_it_signs_in_and_out(app: Flask) -> None:
    user = makers.make_user(role=None)
    client, answer = post_sign_in(app, user.email.upper(), makers.PASSWORD, "/waiting")
    assert (answer.status_code, answer.location) == (303, "/waiting")
    page = client.get("/waiting")
    assert user.email in page.get_data(as_text=True)
    token = page.get_data(as_text=True).split('name="csrf-token" content="', 1)[1].split('"', 1)[0]
    assert client.post("/sign-out", data={"csrf_token": token}).status_code == 303
    assert client.get("/waiting").location.startswith("/sign-in")


def test_unknown_accounts_and_wrong_passwords_get_the_same_answer(app: Flask) -> None:
    user = makers.make_user()
    _, wrong = post_sign_in(app, user.email, "not the password at all")
    _, unknown = post_sign_in(app, "nobody@lumen.example", "not the password at all")
    assert wrong.status_code == unknown.status_code == 422
    clean = [a.get_data(as_text=True).split("<main", 1)[1] for a in (wrong, unknown)]
    assert clean[0].count("do not go together") == clean[1].count("do not go together") > 0


def test_many_failures_slow_an_account_down_but_never_lock_it(app: Flask) -> None:
    user = makers.make_user()
    answers = [post_sign_in(app, user.email, "not the password at all")[1] for _ in range(6)]
    assert [a.status_code for a in answers] == [422] * 5 + [429]
    assert int(answers[-1].headers["Retry-After"]) <= 4


def test_a_sign_in_without_a_csrf_token_changes_nothing(app: Flask, count_rows: Callable[[str], int]) -> None:
    user = makers.make_user()
    answer = app.test_client().post("/sign-in", data={"email": user.email, "password": makers.PASSWORD})
    assert answer.status_code == 400
    assert count_rows("user_sessions") == 0


def test_the_next_page_is_one_of_ours(app: Flask) -> None:
    user = makers.make_user()
    for target in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
    ):
        _, answer = post_sign_in(app, user.email, makers.PASSWORD, target)
        assert answer.location == "/"


def test_the_first_start_link_makes_one_owner(app: Flask, count_rows: Callable[[str], int]) -> None:
    token = find_owner_token()
    client = app.test_client()
    page = client.get(f"/first-start/{token}").get_data(as_text=True)
    csrf = page.split('name="csrf-token" content="', 1)[1].split('"', 1)[0]
    form = {"name": "Ada", "email": "ada@lumen.example", "password": "short", "csrf_token": csrf}
    refused = client.post(f"/first-start/{token}", data=form)
    assert refused.status_code == 422
    assert "at least 12 characters" in refused.get_data(as_text=True)
    assert client.post(f"/first-start/{token}", data={**form, "password": makers.PASSWORD}).status_code == 303
    assert count_rows("users") == 1
    assert app.test_client().get(f"/first-start/{token}").status_code == 404
    assert find_owner_token() is None


def test_another_site_cannot_post_for_a_signed_in_person(sign_in: Callable[..., FlaskClient]) -> None:
    client = sign_in("owner")
    assert client.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/sign-out", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_disabling_a_user_ends_the_session(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    user = makers.make_user(role=None)
    client = sign_in(user=user)
    assert client.get("/waiting").status_code == 200
    user.state = "disabled"
    db.session.commit()
    assert client.get("/waiting").status_code == 303
