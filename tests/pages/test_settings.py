"""Settings: profile, password, users, invitations, channels, environment."""

from __future__ import annotations

from collections.abc import Callable

from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient

from accounts.users import find_user_by_email
from extensions import db
from tests import makers

SignIn = Callable[..., FlaskClient]


def test_a_new_password_signs_the_other_browsers_out(app: Flask, sign_in: SignIn) -> None:
    user = makers.make_user(role="viewer")
    here, there = sign_in(user=user), sign_in(user=user)
    form = {"current": makers.PASSWORD, "new": "eight green umbrellas"}
    assert here.post("/settings/password", data=form).status_code == 303
    assert here.get("/settings/").status_code == 200
    assert there.get("/settings/").status_code == 303


def test_the_current_password_must_be_right(sign_in: SignIn) -> None:
    client = sign_in("viewer")
    answer = client.post("/settings/password", data={"current": "nonsense", "new": "eight green umbrellas"})
    assert answer.status_code == 422
    assert "not your current password" in answer.get_data(as_text=True)


def test_an_invited_person_chooses_a_password_and_is_in(app: Flask, sign_in: SignIn) -> None:
    owner = sign_in("owner")
    form = {"name": "Mia", "email": "mia@lumen.example", "role": "marketer"}
    page = BeautifulSoup(owner.post("/settings/users", data=form).get_data(as_text=True), "html.parser")
    link = page.select_one("#copy-invitation-link")
    assert link is not None
    path = str(link["value"]).removeprefix("http://127.0.0.1:5000")
    guest = app.test_client()
    page = BeautifulSoup(guest.get(path).get_data(as_text=True), "html.parser")
    token = page.select("meta[name=csrf-token]")[0]["content"]
    assert guest.post(path, data={"password": "short", "csrf_token": token}).status_code == 422
    assert guest.post(path, data={"password": makers.PASSWORD, "csrf_token": token}).status_code == 303
    assert "mia@lumen.example" in guest.get("/settings/").get_data(as_text=True)
    assert app.test_client().get(path).status_code == 404


def test_only_the_owner_sees_users(sign_in: SignIn) -> None:
    for role in ("viewer", "marketer", "operator"):
        assert sign_in(role).get("/settings/users").status_code == 403
    assert sign_in("owner").get("/settings/users").status_code == 200


def test_the_last_owner_stays_owner(app: Flask, sign_in: SignIn) -> None:
    owner = makers.make_user(role="owner", email="ada@lumen.example")
    client = sign_in(user=owner)
    client.post(f"/settings/users/{owner.id}", data={"role": "viewer", "state": "active"})
    db.session.expire_all()
    found = find_user_by_email("ada@lumen.example")
    assert found is not None
    assert found.role == "owner"


def test_a_changed_role_signs_the_person_out(app: Flask, sign_in: SignIn) -> None:
    owner, other = sign_in("owner"), makers.make_user(role="marketer")
    theirs = sign_in(user=other)
    owner.post(f"/settings/users/{other.id}", data={"role": "viewer", "state": "active"})
    assert theirs.get("/settings/").status_code == 303


def test_a_person_without_a_role_sees_only_the_waiting_page(sign_in: SignIn) -> None:
    client = sign_in(None)
    assert client.get("/settings/").location == "/waiting"
    assert "has not given it a role" in client.get("/waiting").get_data(as_text=True)


def test_the_environment_page_masks_secrets(make_app: Callable[..., Flask], app: Flask) -> None:
    other = make_app(SMTP_URL="smtps://mailer:hunter2secret@mail.lumen.example", OPENAI_API_KEY="sk-lumen-secret")
    client = makers.signed_in_client(other, makers.make_user(role="operator"))
    pages = client.get("/settings/environment").get_data(as_text=True)
    pages += client.get("/settings/channels/").get_data(as_text=True)
    assert "mail.lumen.example" in pages
    assert "hunter2secret" not in pages
    assert "sk-lumen-secret" not in pages


def test_the_domain_check_answers_without_a_dns_server(sign_in: SignIn) -> None:
    page = sign_in("viewer").get("/settings/channels/domain").get_data(as_text=True)
    for kind in ("SPF", "DKIM", "DMARC", "MX"):
        assert kind in page
