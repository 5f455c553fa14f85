"""The audit trail's page: filters in the address, paging by key, CSV without formulas; and that deeds leave entries."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from accounts.audit import PAGE_SIZE, add_audit_entry, kind_of, list_kinds
from extensions import db
from models import AuditEntry, User
from tests import makers
from tests.accounts.test_password_reset import open_page

SignIn = Callable[..., FlaskClient]
PAGE = "/settings/audit/"


def add(count: int = 1, *, action: str = "campaign_launched", user: User | None = None, **more: str) -> None:
    for number in range(count):
        subject = more.get("subject", f"campaign {number}")
        actor = user.name if user else more.get("actor", "LUX")
        add_audit_entry(action, actor=actor, user_id=user.id if user else None, subject=subject)
    db.session.commit()


def subjects(client: FlaskClient, query: str = "") -> list[str]:
    page = makers.soup(client.get(PAGE + query))
    return [row.select("td")[2].get_text(strip=True) for row in page.select("tbody tr")]


def test_it_shows_who_did_what_when_and_from_where(sign_in: SignIn) -> None:
    user = makers.make_user(role="operator")
    add_audit_entry("user_changed", actor="Ada", subject="mia@lumen.example", peer="203.0.113.9", role="viewer")
    db.session.commit()
    page = sign_in(user=user).get(PAGE).get_data(as_text=True)
    for words in ("Ada", "Role or state changed", "mia@lumen.example", "203.0.113.9", "role: viewer"):
        assert words in page


def test_filters_are_in_the_address(sign_in: SignIn) -> None:
    client, user = sign_in("operator"), makers.make_user()
    add(subject="campaign 7")
    add(action="sign_in_failed", subject="door")
    add(action="token_used", user=user, subject="key")
    db.session.execute(
        text("INSERT INTO audit_entries (actor, action, subject, at) VALUES ('x', 'y', 'old', '2020-1-1')")
    )
    db.session.commit()
    assert subjects(client) == ["old", "key", "door", "campaign 7"]
    assert subjects(client, "?kind=campaigns") == ["campaign 7"]
    assert subjects(client, "?kind=sign_in") == ["door"]
    assert subjects(client, "?kind=other") == ["old"]
    assert subjects(client, f"?user={user.id}") == ["key"]
    assert subjects(client, "?days=7") == ["key", "door", "campaign 7"]
    assert subjects(client, "?q=CAMPAIGN+7") == ["campaign 7"]
    assert subjects(client, "?q=%25") == []


def test_every_action_is_found_under_exactly_one_kind(sign_in: SignIn) -> None:
    client = sign_in("operator")
    actions = ["sign_in", "user_changed", "token_used", "campaign_paused", "proposal_approved", "contacts_exported"]
    actions += ["error_resolved", "repair_started", "something_new"]
    for action in actions:
        add(action=action, subject=action)
    found = [subject for kind, _ in list_kinds() for subject in subjects(client, f"?kind={kind}")]
    assert sorted(found) == sorted(actions)
    assert all(subjects(client, f"?kind={kind_of(action)}").count(action) == 1 for action in actions)


@pytest.mark.parametrize(
    "query", ["?kind=%27%22", "?user=abc", "?user=99999999999999999999", "?days=-1", "?before=0", "?before=x", "?q=%27"]
)
def test_nonsense_in_the_address_is_no_error(sign_in: SignIn, query: str) -> None:
    assert sign_in("operator").get(PAGE + query).status_code == 200


def test_it_pages_by_key_and_shows_each_entry_once(sign_in: SignIn) -> None:
    client = sign_in("operator")
    add(PAGE_SIZE * 2 + 3)
    seen: list[str] = []
    address = PAGE
    for _ in range(3):
        page = makers.soup(client.get(address))
        seen += [row.select("td")[2].get_text(strip=True) for row in page.select("tbody tr")]
        following = page.select("a[rel=next]")
        add(subject="newer")
        address = str(following[0]["href"]) if following else ""
    assert address == ""
    assert seen == [f"campaign {number}" for number in reversed(range(PAGE_SIZE * 2 + 3))]


def test_the_csv_holds_what_the_filter_means_and_no_formula(sign_in: SignIn) -> None:
    client = sign_in("operator")
    add(subject='=HYPERLINK("http://evil.example")', actor="+SUM(1)")
    add(action="sign_in_failed", subject="door")
    answer = client.post(PAGE + "export", data={"kind": "campaigns"})
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"))))
    assert rows[0] == ["id", "at", "who", "what", "whom", "from", "detail"]
    assert [row[2:5] for row in rows[1:]] == [["'+SUM(1)", "campaign_launched", '\'=HYPERLINK("http://evil.example")']]


def test_taking_the_trail_out_leaves_an_entry(sign_in: SignIn) -> None:
    client = sign_in("operator")
    client.post(PAGE + "export", data={"kind": "campaigns"}).get_data()
    db.session.rollback()
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "audit_exported")).one()
    assert entry.detail == {"kind": "campaigns"}


@pytest.mark.parametrize("role", ["viewer", "marketer"])
def test_the_trail_is_for_operators_and_owners(sign_in: SignIn, role: str) -> None:
    client = sign_in(role)
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE + "export").status_code == 403


def test_what_somebody_typed_is_shown_as_text(sign_in: SignIn) -> None:
    add(subject="<script>alert(1)</script>", actor="<img src=x onerror=alert(1)>")
    page = sign_in("operator").get(PAGE).get_data(as_text=True)
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_failed_sign_ins_name_the_account_they_meant_but_never_what_was_typed(app: Flask) -> None:
    user = makers.make_user()
    client = open_page(app, "/sign-in")
    client.post("/sign-in", data={"email": user.email, "password": "my secret password"})
    client.post("/sign-in", data={"email": "my secret password", "password": "x"})
    found = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.action, entry.subject) for entry in found] == [
        ("sign_in_failed", user.email),
        ("sign_in_failed", None),
    ]
    rows = db.session.execute(text("SELECT t::text FROM audit_entries t")).scalars().all()
    assert not any("my secret password" in row for row in rows)


def test_an_entry_knows_where_a_request_came_from_by_itself(app: Flask) -> None:
    with app.test_request_context("/", environ_base={"REMOTE_ADDR": "203.0.113.9"}):
        add()
        assert db.session.scalars(select(AuditEntry.peer)).one() == "203.0.113.9"
