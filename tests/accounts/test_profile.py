"""What people change about their own account: name, address, password."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from accounts.passwords import is_right_password
from accounts.users import find_user_by_email
from extensions import db
from models import AuditEntry
from tests import makers
from tests.account_mail import carry_out_queue, find_link, list_mails
from tests.accounts.test_password_reset import open_page

SignIn = Callable[..., FlaskClient]
NEW = "new@lumen.example"
CONFIRM = "/new-address/"
FORM = {"email": NEW, "email_password": makers.PASSWORD}


def test_a_new_address_counts_once_its_link_was_opened_and_confirmed(app: Flask, sign_in: SignIn) -> None:
    user = makers.make_user()
    before = user.email
    client = sign_in(user=user)
    assert client.post("/settings/address", data=FORM).status_code == 303
    carry_out_queue()
    link = find_link(NEW, CONFIRM)
    visitor = open_page(app, link)
    db.session.expire_all()
    assert user.email == before
    assert visitor.post(link).status_code == 303
    db.session.expire_all()
    assert user.email == NEW
    carry_out_queue()
    assert "address was changed" in list_mails(before)[0]["Subject"]
    assert visitor.post(link).status_code == 404
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "address_changed")).one()
    assert (entry.subject, entry.detail) == (NEW, {"before": before})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": ""}, "email"),
        ({"email_password": "nonsense"}, "email_password"),
    ],
)
def test_a_new_address_needs_an_address_and_the_password(
    sign_in: SignIn, count_rows: Callable[[str], int], changes: dict[str, str], field: str
) -> None:
    answer = sign_in("viewer").post("/settings/address", data={**FORM, **changes})
    assert answer.status_code == 422
    assert makers.soup(answer).select(f"#field-{field}-error")
    assert count_rows("procrastinate_jobs") == 0


def test_somebody_elses_address_gets_the_same_answer_and_no_link(app: Flask, sign_in: SignIn) -> None:
    user, other = makers.make_user(), makers.make_user()
    client = sign_in(user=user)
    answers = [client.post("/settings/address", data={**FORM, "email": address}) for address in (other.email, NEW)]
    assert [(answer.status_code, answer.location) for answer in answers] == [(303, "/settings/")] * 2
    carry_out_queue()
    assert list_mails(other.email) == []


def test_an_address_taken_meanwhile_changes_nothing(app: Flask, sign_in: SignIn) -> None:
    user = makers.make_user()
    sign_in(user=user).post("/settings/address", data={**FORM, "email": "late@lumen.example"})
    carry_out_queue()
    link = find_link("late@lumen.example", CONFIRM)
    makers.make_user(email="LATE@lumen.example")
    assert open_page(app, "/sign-in").post(link).status_code == 409
    db.session.expire_all()
    assert user.email != "late@lumen.example"


def test_changing_the_password_ends_open_links(app: Flask, sign_in: SignIn) -> None:
    """Whoever read an old mail cannot undo the change."""
    user = makers.make_user()
    open_page(app, "/password-reset/").post("/password-reset/", data={"email": user.email})
    carry_out_queue()
    link = find_link(user.email, "/password-reset/")
    form = {"current": makers.PASSWORD, "new": "eight green umbrellas"}
    assert sign_in(user=user).post("/settings/password", data=form).status_code == 303
    assert app.test_client().get(link).status_code == 404


def test_somebody_without_a_password_gets_a_link_to_choose_one(app: Flask, sign_in: SignIn) -> None:
    user = makers.make_user(role="viewer")
    user.password_hash = None
    db.session.commit()
    client = sign_in(user=user)
    page = client.get("/settings/").get_data(as_text=True)
    assert "no password of its own yet" in page
    assert client.post("/settings/password", data={"current": "", "new": "eight green umbrellas"}).status_code == 422
    assert client.post("/settings/password-link").status_code == 303
    carry_out_queue()
    link = find_link(user.email, "/password-reset/")
    assert open_page(app, "/sign-in").post(link, data={"password": "eight green umbrellas"}).status_code == 303
    db.session.expire_all()
    assert is_right_password(user.password_hash, "eight green umbrellas")


@pytest.mark.parametrize("name", ["", "   ", "\x00", "\u200b"])
def test_a_name_is_more_than_blanks(sign_in: SignIn, name: str) -> None:
    assert sign_in("viewer").post("/settings/name", data={"name": name}).status_code == 422


def test_a_name_cannot_break_the_lines_of_the_trail(sign_in: SignIn) -> None:
    user = makers.make_user()
    sign_in(user=user).post("/settings/name", data={"name": "Ada\r\nOwner: Mallory"})
    db.session.expire_all()
    found = find_user_by_email(user.email)
    assert found is not None
    assert found.name == "Ada Owner: Mallory"
