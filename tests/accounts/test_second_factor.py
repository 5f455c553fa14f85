"""The second factor: enrolled by a code, asked for at sign-in on the same browser, no code takes anybody in twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from accounts.encryption import decrypt
from accounts.second_factor import (
    RECOVERY_CODES,
    confirm_enrolment,
    count_recovery_codes,
    has_second_factor,
    start_enrolment,
    take_code,
)
from accounts.sign_in import MOST_CODES
from extensions import db
from models import AuditEntry, OneTimeLink, RecoveryCode, SecondFactor, User
from tests import makers
from tests.account_mail import carry_out_queue, list_mails
from tests.accounts.test_password_reset import open_page

SignIn = Callable[..., FlaskClient]


def code_at(key: str, steps: int = 0) -> str:
    """The app's code now, or so many steps away."""
    return pyotp.TOTP(key).generate_otp(int(time.time()) // 30 + steps)


def enrol(user: User) -> tuple[str, list[str]]:
    """A user with the factor on: the app's key and the recovery codes. The codes of now and before are still free."""
    key = start_enrolment(user).key
    codes = confirm_enrolment(user, code_at(key, -1), token="", peer="127.0.0.1")
    return key, codes


def first_step(app: Flask, user: User, target: str = "/settings/") -> makers.Browser:
    """A browser on which the password was right."""
    client = open_page(app, "/sign-in")
    answer = client.post("/sign-in", data={"email": user.email, "password": makers.PASSWORD, "next": target})
    assert (answer.status_code, answer.location) == (303, "/sign-in/code")
    renew_token(client)
    return client


def renew_token(client: makers.Browser) -> None:
    page = makers.soup(client.get("/sign-in/code"))
    client.csrf_token = str(page.select("meta[name=csrf-token]")[0]["content"])


def test_enrolling_shows_a_qr_code_and_the_key_and_takes_a_code(sign_in: SignIn) -> None:
    user = makers.make_user()
    client = sign_in(user=user)
    client.post("/settings/second-factor")
    page = makers.soup(client.get("/settings/second-factor"))
    assert str(page.select("img.qr-code")[0]["src"]).startswith("data:image/svg+xml")
    key = str(page.select("#copy-key")[0]["value"]).replace(" ", "")
    assert client.post("/settings/second-factor/confirm", data={"code": "000000"}).status_code == 422
    assert not has_second_factor(user)
    shown = makers.soup(client.post("/settings/second-factor/confirm", data={"code": code_at(key)}))
    codes = shown.select("[data-copy-text]")[0].get_text().split()
    assert len(codes) == len(set(codes)) == RECOVERY_CODES
    assert has_second_factor(user)
    assert codes[0] not in client.get("/settings/second-factor").get_data(as_text=True)


def test_the_secret_is_encrypted_and_recovery_codes_are_hashed(app: Flask) -> None:
    user = makers.make_user()
    key, codes = enrol(user)
    rows = db.session.execute(
        text("SELECT t::text FROM second_factors t UNION ALL SELECT t::text FROM recovery_codes t")
    )
    stored = " ".join(rows.scalars().all())
    assert key not in stored
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


def test_signing_in_asks_for_the_code_and_leads_on(app: Flask) -> None:
    user = makers.make_user()
    key, _ = enrol(user)
    client = first_step(app, user, "/settings/second-factor")
    assert client.get("/settings/").location.startswith("/sign-in")
    answer = client.post("/sign-in/code", data={"code": code_at(key)})
    assert (answer.status_code, answer.location) == (303, "/settings/second-factor")
    assert client.get("/settings/").status_code == 200
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "sign_in")).one()
    assert entry.detail == {"way": "password and code"}


def test_a_code_takes_in_once(app: Flask) -> None:
    user = makers.make_user()
    key, _ = enrol(user)
    code = code_at(key)
    first, second = first_step(app, user), first_step(app, user)
    assert first.post("/sign-in/code", data={"code": code}).status_code == 303
    assert second.post("/sign-in/code", data={"code": code}).status_code == 422
    assert second.post("/sign-in/code", data={"code": code_at(key, -1)}).status_code == 422
    assert second.post("/sign-in/code", data={"code": code_at(key, 1)}).status_code == 303


def test_the_code_that_enrolled_does_not_sign_in(app: Flask) -> None:
    user = makers.make_user()
    key = start_enrolment(user).key
    code = code_at(key)
    confirm_enrolment(user, code, token="", peer="127.0.0.1")
    assert first_step(app, user).post("/sign-in/code", data={"code": code}).status_code == 422


def test_a_recovery_code_takes_in_once(app: Flask) -> None:
    user = makers.make_user()
    _, codes = enrol(user)
    spelt = f" {codes[3].upper().replace('-', ' ')} "
    assert first_step(app, user).post("/sign-in/code", data={"code": spelt}).status_code == 303
    assert first_step(app, user).post("/sign-in/code", data={"code": codes[3]}).status_code == 422
    db.session.expire_all()
    assert count_recovery_codes(user) == RECOVERY_CODES - 1


def test_another_browser_cannot_finish_a_sign_in(app: Flask) -> None:
    """The second step is bound to the browser: without its cookie there is nothing to finish."""
    user = makers.make_user()
    key, _ = enrol(user)
    first_step(app, user)
    stranger = open_page(app, "/sign-in")
    answer = stranger.post("/sign-in/code", data={"code": code_at(key)})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert stranger.get("/settings/").status_code == 303


def test_a_sign_in_ends_after_some_wrong_codes(app: Flask) -> None:
    user = makers.make_user()
    key, _ = enrol(user)
    client = first_step(app, user)
    answers = [client.post("/sign-in/code", data={"code": "000000"}).status_code for _ in range(MOST_CODES)]
    assert answers == [422] * (MOST_CODES - 1) + [303]
    assert client.post("/sign-in/code", data={"code": code_at(key)}).location == "/sign-in"


def test_wrong_codes_slow_the_account_down_across_sign_ins(app: Flask) -> None:
    """Beginning again does not bring fresh tries."""
    user = makers.make_user()
    key, _ = enrol(user)
    client = first_step(app, user)
    for _ in range(MOST_CODES):
        client.post("/sign-in/code", data={"code": "000000"})
    answer = first_step(app, user).post("/sign-in/code", data={"code": code_at(key)})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_a_second_step_ends_after_ten_minutes(app: Flask) -> None:
    user = makers.make_user()
    key, _ = enrol(user)
    client = first_step(app, user)
    db.session.execute(text("UPDATE one_time_links SET expires_at = now() - interval '1 second'"))
    db.session.commit()
    assert client.post("/sign-in/code", data={"code": code_at(key)}).location == "/sign-in"


def test_disabling_a_user_ends_a_sign_in_that_waits_for_its_code(app: Flask) -> None:
    user = makers.make_user()
    key, _ = enrol(user)
    client = first_step(app, user)
    user.state = "disabled"
    db.session.commit()
    assert client.post("/sign-in/code", data={"code": code_at(key)}).location == "/sign-in"


def test_turning_it_off_needs_the_password_and_tells_by_mail(app: Flask, sign_in: SignIn) -> None:
    user = makers.make_user()
    enrol(user)
    here, there = sign_in(user=user), sign_in(user=user)
    assert here.post("/settings/second-factor/off", data={"password": "nonsense"}).status_code == 422
    assert here.post("/settings/second-factor/off", data={"password": makers.PASSWORD}).status_code == 303
    assert not has_second_factor(user)
    assert db.session.scalars(select(RecoveryCode)).all() == []
    assert (here.get("/settings/").status_code, there.get("/settings/").status_code) == (200, 303)
    carry_out_queue()
    assert "second factor is off" in list_mails(user.email)[0]["Subject"]


def test_a_session_left_open_is_no_way_to_guess_the_password(sign_in: SignIn) -> None:
    user = makers.make_user()
    enrol(user)
    client = sign_in(user=user)
    answers = [client.post("/settings/second-factor/off", data={"password": str(n)}).status_code for n in range(6)]
    assert answers == [422] * 5 + [429]
    assert client.post("/settings/password", data={"current": "x", "new": "y"}).status_code == 429


def test_new_recovery_codes_end_the_old_ones(sign_in: SignIn) -> None:
    user = makers.make_user()
    _, old = enrol(user)
    client = sign_in(user=user)
    assert client.post("/settings/second-factor/codes", data={"codes_password": "nonsense"}).status_code == 422
    page = makers.soup(client.post("/settings/second-factor/codes", data={"codes_password": makers.PASSWORD}))
    fresh = page.select("[data-copy-text]")[0].get_text().split()
    assert not take_code(user, old[0])
    assert take_code(user, fresh[0])


def test_the_owner_takes_a_lost_factor_away_and_it_is_written_down(app: Flask, sign_in: SignIn) -> None:
    user = makers.make_user(role="marketer")
    enrol(user)
    theirs, owner = sign_in(user=user), sign_in("owner")
    assert owner.post(f"/settings/users/{user.id}/second-factor/reset").status_code == 303
    db.session.expire_all()
    assert not has_second_factor(user)
    assert theirs.get("/settings/").status_code == 303
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "second_factor_reset")).one()
    assert entry.subject == user.email
    carry_out_queue()
    assert "taken away" in list_mails(user.email)[0]["Subject"]


def test_an_enrolment_that_was_never_confirmed_asks_for_nothing(app: Flask) -> None:
    user = makers.make_user()
    start_enrolment(user)
    client = open_page(app, "/sign-in")
    answer = client.post("/sign-in", data={"email": user.email, "password": makers.PASSWORD})
    assert answer.location == "/"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(code=st.one_of(st.text(max_size=40), st.from_regex(r"[0-9]{6}", fullmatch=True)))
def test_no_other_text_is_taken_for_a_code(app: Flask, code: str) -> None:
    user = db.session.scalars(select(User)).first() or makers.make_user()
    if db.session.get(SecondFactor, user.id) is None:
        enrol(user)
    row = db.session.get_one(SecondFactor, user.id, populate_existing=True)
    right = {pyotp.TOTP(key).generate_otp(int(time.time()) // 30 + n) for n in (-2, -1, 0, 1, 2) for key in [_key(row)]}
    if "".join(code.split()) not in right:
        assert not take_code(user, code)
    db.session.rollback()


def _key(row: SecondFactor) -> str:
    return decrypt(row.secret)


@pytest.mark.parametrize("column", ["expires_at", "used_at"])
def test_a_second_step_that_is_over_shows_the_sign_in_page(app: Flask, column: str) -> None:
    user = makers.make_user()
    enrol(user)
    client = first_step(app, user)
    link = db.session.scalars(select(OneTimeLink).where(OneTimeLink.purpose == "second_step")).one()
    db.session.execute(text(f"UPDATE one_time_links SET {column} = now() - interval '1 second' WHERE id = {link.id}"))
    db.session.commit()
    assert client.get("/sign-in/code").location == "/sign-in"


def test_one_code_sent_from_many_browsers_at_once_lets_one_in(app: Flask) -> None:
    user = makers.make_user()
    key, _ = enrol(user)
    code = code_at(key)
    browsers = [first_step(app, user) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: one.post("/sign-in/code", data={"code": code}).status_code, browsers))
    assert sorted(answers) == [303, 422, 422, 422]
