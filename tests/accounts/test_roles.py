"""What an owner decides about people, and that LUX always keeps an owner."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from accounts.roles import change_user, count_waiting, delete_user, role_for_new_user
from accounts.users import find_user, find_user_by_email
from errors import Conflict
from extensions import db
from models import AuditEntry, User
from tests import makers
from tests.account_mail import carry_out_queue, list_mails

SignIn = Callable[..., FlaskClient]
PEER = "127.0.0.1"


def role_of(user_id: int) -> str | None:
    db.session.expire_all()
    found = find_user(user_id)
    assert found is not None
    return found.role


def test_a_waiting_person_is_approved_with_a_role_and_told(app: Flask, sign_in: SignIn) -> None:
    waiting = makers.make_user(role=None)
    theirs, owner = sign_in(user=waiting), sign_in("owner")
    assert theirs.get("/").location == "/waiting"
    page = makers.soup(owner.get("/settings/users"))
    assert waiting.email in page.select("#table-waiting-people")[0].get_text()
    assert owner.post(f"/settings/users/{waiting.id}/approve", data={"role": "marketer"}).status_code == 303
    assert role_of(waiting.id) == "marketer"
    assert theirs.get("/").status_code == 200
    carry_out_queue()
    assert "You are in" in list_mails(waiting.email)[0]["Subject"]


def test_a_waiting_person_sees_only_the_waiting_page(app: Flask, sign_in: SignIn) -> None:
    theirs = sign_in(user=makers.make_user(role=None))
    for path in ("/", "/contacts/", "/settings/", "/settings/sessions", "/settings/second-factor", "/settings/users"):
        assert theirs.get(path).location == "/waiting", path
    assert theirs.get("/waiting").status_code == 200


def test_a_refused_person_is_out_and_stays_out(app: Flask, sign_in: SignIn) -> None:
    waiting = makers.make_user(role=None)
    theirs, owner = sign_in(user=waiting), sign_in("owner")
    owner.post(f"/settings/users/{waiting.id}/refuse")
    assert theirs.get("/waiting").location.startswith("/sign-in")
    assert count_waiting() == 0


def test_only_an_owner_approves(sign_in: SignIn) -> None:
    waiting = makers.make_user(role=None)
    for role in ("viewer", "marketer", "operator"):
        client = sign_in(role)
        assert client.post(f"/settings/users/{waiting.id}/approve", data={"role": "owner"}).status_code == 403
        assert client.post(f"/settings/users/{waiting.id}", data={"role": "owner"}).status_code == 403
    assert role_of(waiting.id) is None


@pytest.mark.parametrize("role", ["", "root", "owner ", "Owner"])
def test_an_unknown_role_approves_nobody(sign_in: SignIn, role: str) -> None:
    waiting = makers.make_user(role=None)
    sign_in("owner").post(f"/settings/users/{waiting.id}/approve", data={"role": role})
    assert role_of(waiting.id) is None


def test_approving_twice_changes_nothing_the_second_time(sign_in: SignIn) -> None:
    waiting = makers.make_user(role=None)
    owner = sign_in("owner")
    owner.post(f"/settings/users/{waiting.id}/approve", data={"role": "viewer"})
    owner.post(f"/settings/users/{waiting.id}/approve", data={"role": "owner"})
    assert role_of(waiting.id) == "viewer"


def test_the_last_owner_cannot_be_demoted_disabled_or_deleted(app: Flask, sign_in: SignIn) -> None:
    owner = makers.make_user()
    makers.make_user(role="operator")
    disabled = makers.make_user()
    change_user(disabled.id, role="owner", state="disabled", by=owner, peer=PEER)
    client = sign_in(user=owner)
    for role, state in (("viewer", "active"), ("", "active"), ("owner", "disabled")):
        client.post(f"/settings/users/{owner.id}", data={"role": role, "state": state})
    client.post(f"/settings/users/{owner.id}/delete")
    client.post(f"/settings/users/{owner.id}/refuse")
    db.session.expire_all()
    assert (owner.role, owner.state) == ("owner", "active")
    assert client.get("/settings/users").status_code == 200


def test_two_owners_who_demote_each_other_leave_one(app: Flask) -> None:
    first, second = int(makers.make_user().id), int(makers.make_user().id)
    start = Barrier(2)

    def demote(pair: tuple[int, int]) -> str:
        with app.app_context():
            by = db.session.get_one(User, pair[0])
            start.wait()
            try:
                change_user(pair[1], role="viewer", state="active", by=by, peer=PEER)
            except Conflict:
                return "refused"
            return "done"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(demote, [(first, second), (second, first)]))
    db.session.rollback()
    owners = db.session.scalar(select(func.count()).select_from(User).where(User.role == "owner"))
    assert (said, owners) == (["done", "refused"], 1)


def test_a_deleted_user_is_gone_and_what_they_did_stays(app: Flask, sign_in: SignIn) -> None:
    user = makers.make_user(role="marketer")
    theirs, owner = sign_in(user=user), sign_in("owner")
    theirs.post("/sign-out")
    email = user.email
    assert owner.post(f"/settings/users/{user.id}/delete").status_code == 303
    assert find_user_by_email(email) is None
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.action, entry.user_id is None) for entry in entries] == [
        ("signed_out", True),
        ("user_deleted", False),
    ]


def test_an_owner_may_delete_themselves_when_another_stays(app: Flask) -> None:
    first = makers.make_user()
    makers.make_user()
    delete_user(first.id, by=first, peer=PEER)
    assert db.session.scalars(select(AuditEntry.user_id)).all() == [None]


def test_a_changed_role_is_written_down_with_what_it_was(app: Flask) -> None:
    owner, user = makers.make_user(), makers.make_user(role="viewer")
    change_user(user.id, role="operator", state="active", by=owner, peer="203.0.113.9")
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.actor, entry.subject, entry.peer) == (owner.name, user.email, "203.0.113.9")
    assert entry.detail == {"before": {"role": "viewer", "state": "active"}, "role": "operator", "state": "active"}


@pytest.mark.parametrize(
    ("email", "is_verified", "role"),
    [
        ("mia@lumen.example", True, "viewer"),
        ("Mia@LUMEN.Example", True, "viewer"),
        ("mia@lumen.example", False, None),
        ("mia@sub.lumen.example", True, None),
        ("mia@evil-lumen.example", True, None),
        ("mia@lumen.example.evil.example", True, None),
        ("mia@lumen.example@evil.example", True, None),
        ("lumen.example", True, None),
        ("", True, None),
        ("mia@", True, None),
    ],
)
def test_signup_domains_let_verified_addresses_of_those_domains_in(
    make_app: Callable[..., Flask], email: str, is_verified: bool, role: str | None
) -> None:
    with make_app(SIGNUP_DOMAINS="lumen.example, @other.example").app_context():
        assert role_for_new_user(email, is_verified) == role


def test_without_signup_domains_everybody_waits(app: Flask) -> None:
    assert role_for_new_user("mia@lumen.example", True) is None


def test_only_a_claim_that_is_exactly_true_verifies(make_app: Callable[..., Flask]) -> None:
    @given(name=st.text(min_size=1, max_size=60), claim=st.sampled_from([None, "true", 1, [], {}, "yes", 0]))
    def check(name: str, claim: object) -> None:
        assert role_for_new_user(f"{name}@lumen.example", claim) is None  # type: ignore[arg-type]  # a lie

    with make_app(SIGNUP_DOMAINS="lumen.example").app_context():
        check()
