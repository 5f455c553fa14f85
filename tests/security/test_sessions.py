"""Sessions end when they should (listmonk CVE-2026-34828): after a new password, role or state, after signing out."""

from __future__ import annotations

import pytest

from extensions import db
from models import User
from tests import makers
from tests.security.house import FROM_OUTSIDE, House


def test_a_password_change_signs_every_other_browser_out_at_once(house: House) -> None:
    with house.app.app_context():
        user = makers.make_user(role="marketer")
        mine, other, phone = (makers.signed_in_client(house.app, user) for _ in range(3))
    form = {"current": makers.PASSWORD, "new": "eleven amber lanterns"}
    assert [b.get("/settings/", environ_base=FROM_OUTSIDE).status_code for b in (mine, other, phone)] == [200] * 3
    assert mine.post("/settings/password", data=form, environ_base=FROM_OUTSIDE).status_code == 303
    assert [b.get("/settings/", environ_base=FROM_OUTSIDE).status_code for b in (other, phone)] == [303, 303]
    assert mine.get("/settings/", environ_base=FROM_OUTSIDE).status_code == 200


@pytest.mark.parametrize("form", [{"role": "viewer"}, {"role": "marketer", "state": "disabled"}, {"role": ""}])
def test_what_the_owner_takes_away_is_gone_at_once(house: House, form: dict[str, str]) -> None:
    with house.app.app_context():
        user = makers.make_user(role="marketer")
        browser = makers.signed_in_client(house.app, user)
        user_id = user.id
    assert browser.get("/contacts/new", environ_base=FROM_OUTSIDE).status_code == 200
    assert house.ask("owner", "POST", f"/settings/users/{user_id}", data=form).status_code == 303
    assert browser.get("/contacts/new", environ_base=FROM_OUTSIDE).status_code in (303, 403)


def test_a_cookie_outlives_no_signing_out(house: House) -> None:
    """The session is on the server: the same cookie, kept by a thief, opens nothing afterwards."""
    with house.app.app_context():
        browser = makers.signed_in_client(house.app, makers.make_user())
    kept = browser.get_cookie("__Host-lux")
    assert kept is not None
    assert browser.post("/sign-out", environ_base=FROM_OUTSIDE).status_code == 303
    browser.set_cookie("__Host-lux", kept.value)
    assert browser.get("/", environ_base=FROM_OUTSIDE).status_code == 303


def test_signing_in_makes_a_new_session_whatever_the_browser_had(house: House) -> None:
    with house.app.app_context():
        email = makers.make_user().email
    browser = house.visitors["nobody"]
    before = browser.get_cookie("__Host-lux")
    assert before is not None
    form = {"email": email, "password": makers.PASSWORD}
    assert house.ask("nobody", "POST", "/sign-in", data=form).status_code == 303
    after = browser.get_cookie("__Host-lux")
    assert after is not None and after.value != before.value
    browser.set_cookie("__Host-lux", before.value)
    assert browser.get("/", environ_base=FROM_OUTSIDE).status_code == 303


def test_no_made_up_cookie_opens_anything(house: House) -> None:
    token = house.cookies["owner"]
    payload, stamp, signature = token.rsplit(".", 2)
    forged = [
        f"{payload}.{stamp}.{signature[::-1]}", payload, f"{payload}.{stamp}.", f"{payload}..{signature}",
        f"{payload[:-2]}xx.{stamp}.{signature}", "", "null", "." * 30, "x" * 4000, f"{token}.{token}", token.swapcase(),
    ]  # fmt: skip
    with house.app.app_context():
        users = db.session.query(User).count()
    for value in forged:
        browser = house.visitors["nobody"]
        browser.set_cookie("__Host-lux", value)
        assert browser.get("/", environ_base=FROM_OUTSIDE).status_code == 303, value
    with house.app.app_context():
        assert db.session.query(User).count() == users
