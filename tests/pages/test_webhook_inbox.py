"""The webhook inbox: what came is shown safely, mended, replayed and mapped."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient

from accounts.webhook_credentials import NewCredential, add_credential, ensure_first_credential
from audience.intake_inbox import REASONS
from extensions import db
from models import Contact, IntakeBody, IntakeMapping

ADDRESS = "/api/webhook/zapier-contact"
SignIn = Callable[..., FlaskClient]


@pytest.fixture
def credential(app: Flask) -> NewCredential:
    return add_credential("Zapier", by=None)


@pytest.fixture
def post(app: Flask, credential: NewCredential) -> Callable[..., Any]:
    """Posts a body as Zapier does."""
    basic = base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()

    def send(body: Any, content_type: str = "application/json", **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return app.test_client().post(
            ADDRESS, data=raw, content_type=content_type, headers={"Authorization": f"Basic {basic}", **headers}
        )

    return send


def the_body(state: str = "dead") -> IntakeBody:
    db.session.expire_all()
    row = db.session.query(IntakeBody).filter_by(state=state).order_by(IntakeBody.id.desc()).first()
    assert row is not None
    return row


def soup(client: FlaskClient, path: str, status: int = 200) -> BeautifulSoup:
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:500]
    return BeautifulSoup(answer.text, "html.parser")


def test_an_empty_inbox_says_how_to_connect(sign_in: SignIn) -> None:
    page = soup(sign_in("operator"), "/webhook-inbox/")
    assert "Nothing has been posted yet" in page.text
    assert "curl -u" in page.text
    assert ADDRESS in page.text


def test_the_owner_sees_the_first_credential_until_they_say_they_have_it(sign_in: SignIn) -> None:
    first = ensure_first_credential()
    assert first is not None
    owner, operator = sign_in("owner"), sign_in("operator")
    assert first.password in owner.get("/settings/connections/").text
    assert first.password not in operator.get("/settings/connections/").text
    assert first.password not in operator.get("/webhook-inbox/connect").text
    owner.post("/settings/connections/first/seen")
    assert first.password not in owner.get("/settings/connections/").text


def test_a_new_credential_is_shown_once_and_opens_the_webhook(sign_in: SignIn, app: Flask) -> None:
    client = sign_in("owner")
    page = BeautifulSoup(client.post("/settings/connections/", data={"label": "Website form"}).text, "html.parser")
    username, password = (str(page.select(f"#copy-{name}")[0]["value"]) for name in ("user-name", "password"))
    assert password not in client.get("/settings/connections/").text
    answer = app.test_client().get("/api/me", auth=(username, password))
    assert answer.json is not None
    assert answer.json["label"] == "Website form"


def test_a_credential_without_a_label_is_sent_back_beside_the_field(sign_in: SignIn) -> None:
    answer = sign_in("owner").post("/settings/connections/", data={"label": " "})
    assert answer.status_code == 422
    assert "Say what will use it" in answer.text


def test_a_revoked_credential_is_refused_at_once(sign_in: SignIn, credential: NewCredential, post: Any) -> None:
    assert post({"email": "ann@example.com"}).status_code == 201
    sign_in("owner").post(f"/settings/connections/{credential.id}/revoke")
    assert post({"email": "ann@example.com"}).status_code == 401


def test_what_came_is_listed_with_what_it_became(sign_in: SignIn, post: Any) -> None:
    post({"email": "ann@example.com"})
    post({"name": "nobody"})
    page = soup(sign_in("operator"), "/webhook-inbox/")
    assert "ann@example.com" in page.text
    assert "No usable e-mail" in page.text
    assert "1 body needs a person" in page.text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("state=dead", 2),
        ("state=nonsense", 3),
        ("reason=unparseable", 1),
        ("q=ann@example.com", 1),
        ("q=nobody", 1),
        ("q=zzz", 0),
        ("period=day", 3),
        ("sender=999999", 0),
        ("sender=x&before=x&after=x&reason=x&period=x", 3),
        ("q=%27", 0),
    ],
)
def test_filters_stand_in_the_address(sign_in: SignIn, post: Any, query: str, count: int) -> None:
    post({"email": "ann@example.com"})
    post({"name": "nobody"})
    post(b"{broken")
    page = soup(sign_in("operator"), f"/webhook-inbox/?{query}")
    assert len(page.select("#bodies tbody tr")) == count


def test_paging_by_key_shows_each_body_once(sign_in: SignIn, make_app: Any, credential: NewCredential) -> None:
    sender = make_app(WEBHOOK_BURST="1000").test_client()
    for number in range(120):
        sender.post(ADDRESS, json={"email": f"p{number}@example.com"}, auth=(credential.username, credential.password))
    client, seen, path = sign_in("operator"), [], "/webhook-inbox/"
    while path:
        page = soup(client, path)
        seen += [link.text for link in page.select("#bodies tbody th a")]
        following = page.select_one('a[rel="next"]')
        path = str(following["href"]) if following else ""
    assert sorted(seen) == sorted(f"p{number}@example.com" for number in range(120))
    back = page.select_one('a[rel="prev"]')
    assert back is not None
    assert len(soup(client, str(back["href"])).select("#bodies tbody tr")) == 50


def test_a_dead_body_is_edited_and_replayed_and_the_original_stays(sign_in: SignIn, post: Any) -> None:
    post(b'{"email":"ann@example.com",}')
    row = the_body()
    client = sign_in("operator")
    answer = client.post(f"/webhook-inbox/{row.id}/replay", data={"body": '{"email":"ann@example.com"}'})
    assert answer.status_code == 303
    assert db.session.query(Contact).one().email == "ann@example.com"
    original = db.session.get(IntakeBody, row.id, populate_existing=True)
    assert original is not None
    assert (original.state, original.reason, original.body) == ("done", "edited", b'{"email":"ann@example.com",}')


def test_an_edit_that_still_cannot_be_read_keeps_what_the_person_typed(sign_in: SignIn, post: Any) -> None:
    post(b"{broken")
    answer = sign_in("operator").post(f"/webhook-inbox/{the_body().id}/replay", data={"body": '{"email": typed'})
    assert answer.status_code == 422
    assert "{&#34;email&#34;: typed" in answer.text


def test_a_key_is_mapped_and_the_body_read_again(sign_in: SignIn, post: Any) -> None:
    post({"an_adr": "ann@example.com", "other": "b@example.com"})
    row = the_body()
    client = sign_in("operator")
    assert "an_adr: ann@example.com" in client.get(f"/webhook-inbox/{row.id}").text
    client.post("/webhook-inbox/mappings", data={"body_id": row.id, "key": "an_adr", "field": "email"})
    assert db.session.query(Contact).one().email == "ann@example.com"
    client.post(f"/webhook-inbox/mappings/{db.session.query(IntakeMapping).one().id}/delete")
    assert db.session.query(IntakeMapping).count() == 0


def test_all_bodies_of_a_reason_are_replayed(sign_in: SignIn, post: Any) -> None:
    for number in range(3):
        post({"an_adr": f"p{number}@example.com", "other": "b@example.com"})
    client = sign_in("operator")
    client.post("/webhook-inbox/mappings", data={"key": "an_adr", "field": "email"})
    client.post("/webhook-inbox/replay", data={"reason": "email_missing_or_invalid"})
    assert db.session.query(Contact).count() == 3
    assert db.session.query(IntakeBody).filter_by(state="dead").count() == 0


def test_identical_dead_bodies_collapse_with_a_counter(sign_in: SignIn, post: Any) -> None:
    receipts = {post(b"{broken").json["receipt"] for _ in range(4)}
    assert len(receipts) == 1
    assert the_body().seen_count == 4
    page = soup(sign_in("operator"), f"/webhook-inbox/{the_body().id}")
    assert "Times" in page.text


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "</textarea><b>",
    "=cmd|' /C calc'!A0",
    "\u0000x\ud800",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_only_text(sign_in: SignIn, post: Any, hostile: str) -> None:
    post({"name": hostile, "nobody": hostile})
    post({"email": "ann@example.com", "name": hostile, "source": hostile, hostile: hostile})
    client = sign_in("operator")
    for row in db.session.query(IntakeBody).all():
        text = client.get(f"/webhook-inbox/{row.id}").text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "</textarea><b>" not in text
        assert client.get(f"/webhook-inbox/{row.id}/raw").headers["Content-Disposition"].startswith("attachment")
    assert "<script>alert" not in client.get("/webhook-inbox/").text


def test_the_raw_body_comes_back_byte_for_byte(sign_in: SignIn, post: Any) -> None:
    raw = b'{"name":"Zo\xeb\x00"'
    post(raw)
    assert sign_in("operator").get(f"/webhook-inbox/{the_body().id}/raw").data == raw


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("operator", 200), ("marketer", 403), ("viewer", 403)])
def test_only_operators_enter(sign_in: SignIn, role: str, status: int) -> None:
    assert sign_in(role).get("/webhook-inbox/").status_code == status
    assert sign_in(role).get("/settings/connections/").status_code == status


def test_marketers_read_how_to_connect(sign_in: SignIn, credential: NewCredential) -> None:
    assert sign_in("marketer").get("/webhook-inbox/connect").status_code == 200


def test_a_body_that_is_gone_says_why(sign_in: SignIn) -> None:
    assert "30 days" in sign_in("operator").get("/webhook-inbox/999").text


def test_every_reason_has_words() -> None:
    assert all(word and advice for word, advice in REASONS.values())
