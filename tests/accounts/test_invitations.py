"""Invitations: by link or by mail, with a role and an end, taken up once, revocable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from accounts.invitations import invite, list_invitations
from accounts.users import find_user_by_email
from extensions import db
from models import AuditEntry, OneTimeLink
from tests import makers
from tests.account_mail import carry_out_queue, find_link, list_queue
from tests.accounts.test_password_reset import open_page

SignIn = Callable[..., FlaskClient]
MIA = "mia@lumen.example"
FORM = {"name": "Mia", "email": MIA, "role": "marketer", "way": "link", "hours": "72"}
INVITATION = "/invitation/"


def get_link(owner: FlaskClient, **changes: str) -> str:
    page = makers.soup(owner.post("/settings/users", data={**FORM, **changes}))
    return str(page.select("#copy-invitation-link")[0]["value"]).removeprefix("http://127.0.0.1:5000")


def take_up(app: Flask, link: str, password: str = makers.PASSWORD) -> tuple[makers.Browser, int]:
    client = open_page(app, "/sign-in")
    return client, client.post(link, data={"password": password}).status_code


def test_an_invitation_by_mail_is_seen_by_nobody_but_its_reader(app: Flask, sign_in: SignIn) -> None:
    page = sign_in("owner").post("/settings/users", data={**FORM, "way": "mail"}).get_data(as_text=True)
    assert INVITATION not in page
    assert "A mail with the link is on its way" in page
    queued = str(list_queue())
    carry_out_queue()
    link = find_link(MIA, INVITATION)
    assert link.removeprefix(INVITATION) not in queued
    client, status = take_up(app, link)
    assert status == 303
    assert "marketer" in client.get("/settings/").get_data(as_text=True)


def test_an_invitation_is_taken_up_once(app: Flask, sign_in: SignIn) -> None:
    link = get_link(sign_in("owner"))
    assert take_up(app, link)[1] == 303
    assert take_up(app, link, "nine purple bicycles")[1] == 404
    assert list_invitations() == []


def test_an_invitation_ends_when_it_said(app: Flask, sign_in: SignIn) -> None:
    link = get_link(sign_in("owner"), hours="24")
    hours = db.session.scalar(select(db.func.extract("epoch", OneTimeLink.expires_at - OneTimeLink.created_at) / 3600))
    assert hours is not None
    assert round(float(hours)) == 24
    db.session.execute(text("UPDATE one_time_links SET expires_at = now() - interval '1 second'"))
    db.session.commit()
    assert take_up(app, link)[1] == 404


def test_a_revoked_invitation_opens_nothing_and_its_address_is_free(app: Flask, sign_in: SignIn) -> None:
    owner = sign_in("owner")
    link = get_link(owner)
    user = find_user_by_email(MIA)
    assert user is not None
    assert owner.post(f"/settings/users/{user.id}/revoke-invitation").status_code == 303
    assert take_up(app, link)[1] == 404
    assert get_link(owner) != link


def test_a_mailed_invitation_revoked_before_the_mail_is_never_sent(app: Flask, sign_in: SignIn) -> None:
    owner = sign_in("owner")
    owner.post("/settings/users", data={**FORM, "way": "mail", "email": "late@lumen.example"})
    user = find_user_by_email("late@lumen.example")
    assert user is not None
    owner.post(f"/settings/users/{user.id}/revoke-invitation")
    carry_out_queue()
    with pytest.raises(AssertionError):
        find_link("late@lumen.example", INVITATION)


def test_a_new_link_ends_the_one_before(app: Flask, sign_in: SignIn) -> None:
    owner = sign_in("owner")
    first = get_link(owner)
    user = find_user_by_email(MIA)
    assert user is not None
    page = makers.soup(owner.post(f"/settings/users/{user.id}/invite-again", data={"way": "link"}))
    second = str(page.select("#copy-invitation-link")[0]["value"]).removeprefix("http://127.0.0.1:5000")
    assert take_up(app, first)[1] == 404
    assert take_up(app, second)[1] == 303


def test_somebody_who_has_come_cannot_be_revoked_or_invited_again(app: Flask, sign_in: SignIn) -> None:
    owner = sign_in("owner")
    client, _ = take_up(app, get_link(owner))
    user = find_user_by_email(MIA)
    assert user is not None
    owner.post(f"/settings/users/{user.id}/revoke-invitation")
    assert owner.post(f"/settings/users/{user.id}/invite-again").status_code == 303
    assert client.get("/settings/").status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "a b@lumen.example"}, "email"),
        ({"name": " "}, "name"),
        ({"role": "root"}, "role"),
        ({"hours": "9999"}, "hours"),
        ({"hours": "soon"}, "hours"),
    ],
)
def test_a_wrong_field_gets_its_sentence_and_nobody_is_invited(
    sign_in: SignIn, count_rows: Callable[[str], int], changes: dict[str, str], field: str
) -> None:
    answer = sign_in("owner").post("/settings/users", data={**FORM, **changes})
    assert answer.status_code == 422
    assert makers.soup(answer).select(f"#field-{field}-error")
    assert count_rows("one_time_links") == 0


def test_disabling_an_invited_person_ends_the_link(app: Flask, sign_in: SignIn) -> None:
    owner = sign_in("owner")
    link = get_link(owner)
    user = find_user_by_email(MIA)
    assert user is not None
    owner.post(f"/settings/users/{user.id}", data={"role": "marketer", "state": "disabled"})
    assert take_up(app, link)[1] == 404


def test_each_step_is_written_down(app: Flask) -> None:
    owner = makers.make_user()
    _, token = invite(email=MIA, name="Mia", role="viewer", by=owner, peer="127.0.0.1")
    take_up(app, INVITATION + str(token))
    actions = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["user_invited", "invitation_accepted", "sign_in"]
