"""The webhook's answers: duplicates, keys, batches, refusals; always JSON, always a receipt, never a 500."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from accounts.webhook_credentials import NewCredential, add_credential
from extensions import db
from lib.shared_counters import counters
from models import Contact, ContactEvent, IntakeBody, SideEffect

ADDRESS = "/api/webhook/zapier-contact"
Post = Callable[..., TestResponse]


@pytest.fixture
def credential(app: Flask) -> NewCredential:
    return add_credential("Zapier", by=None)


@pytest.fixture
def post(make_app: Callable[..., Flask], credential: NewCredential) -> Post:
    """Posts a body with the credential; keyword arguments are headers."""
    client = make_app(WEBHOOK_BURST="100000").test_client()

    def send(body: Any, content_type: str = "application/json", **headers: str) -> TestResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        auth = (credential.username, credential.password)
        return client.post(ADDRESS, data=raw, content_type=content_type, headers=named, auth=auth)

    return send


def age_everything(hours: int) -> None:
    db.session.rollback()
    for row in db.session.query(IntakeBody):
        row.received_at = db.func.now() - db.text(f"interval '{hours} hours'")
    db.session.commit()


def test_the_same_body_again_is_a_duplicate_without_side_effects(post: Post) -> None:
    first = post({"email": "ann@example.com", "source": "Newsletter"}).json
    again = post({"email": "ann@example.com", "source": "Newsletter"})
    assert first is not None
    assert again.json is not None
    assert (again.status_code, again.json["duplicate"], again.json["id"]) == (200, True, first["id"])
    assert again.json["receipt"] != first["receipt"]
    assert db.session.query(ContactEvent).count() == 1
    assert db.session.query(SideEffect).count() == 1


def test_a_duplicate_answers_with_the_contacts_real_state(post: Post) -> None:
    post({"email": "ann@example.com"})
    db.session.query(Contact).one().subscription = "unsubscribed"
    db.session.commit()
    answer = post({"email": "ann@example.com"}).json
    assert answer is not None
    assert (answer["duplicate"], answer["subscription"]) == (True, "unsubscribed")


def test_after_two_days_the_same_body_is_a_new_fact(post: Post) -> None:
    post({"email": "ann@example.com"})
    age_everything(49)
    answer = post({"email": "ann@example.com"}).json
    assert answer is not None
    assert "duplicate" not in answer


def test_the_same_body_under_another_credential_is_no_duplicate(post: Post, app: Flask) -> None:
    post({"email": "ann@example.com"})
    other = add_credential("Make", by=None)
    answer = app.test_client().post(ADDRESS, json={"email": "ann@example.com"}, auth=(other.username, other.password))
    assert answer.json is not None
    assert "duplicate" not in answer.json


def test_a_key_gets_its_stored_answer_again(post: Post) -> None:
    first = post({"email": "ann@example.com"}, Idempotency_Key="k1")
    db.session.query(Contact).one().name = "Changed"
    db.session.commit()
    again = post({"email": "ann@example.com"}, Idempotency_Key='"k1"')
    assert first.json == again.json
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert db.session.query(IntakeBody).count() == 1


def test_a_key_with_another_body_is_refused_and_the_body_kept(post: Post) -> None:
    post({"email": "ann@example.com"}, Idempotency_Key="k1")
    answer = post({"email": "bob@example.com"}, Idempotency_Key="k1")
    assert answer.json is not None
    assert (answer.status_code, answer.json["reason"]) == (422, "idempotency_key_reused")
    assert db.session.query(IntakeBody).filter_by(state="dead").count() == 1


def test_a_key_is_free_again_after_three_days(post: Post) -> None:
    post({"email": "ann@example.com"}, Idempotency_Key="k1")
    age_everything(73)
    assert post({"email": "bob@example.com"}, Idempotency_Key="k1").status_code == 201


def test_a_key_repeats_a_refusal_too(post: Post) -> None:
    first, again = (post({"name": "nobody"}, Idempotency_Key="k1") for _ in range(2))
    assert (first.status_code, again.status_code) == (422, 422)
    assert first.json == again.json


def test_the_same_body_with_two_keys_is_two_facts(post: Post) -> None:
    for key in ("k1", "k2"):
        answer = post({"email": "ann@example.com"}, Idempotency_Key=key).json
        assert answer is not None
        assert "duplicate" not in answer


def test_several_items_are_answered_one_by_one(post: Post) -> None:
    people = [{"email": "a@example.com"}, {"name": "nobody"}, {"email": "b@example.com"}, {"email": "a@example.com"}]
    answer = post(people)
    assert answer.json is not None
    assert answer.status_code == 201
    assert [answer.json[name] for name in ("count", "created", "updated", "failed")] == [4, 2, 0, 1]
    assert [result["status"] for result in answer.json["results"]] == ["created", "failed", "created", "unchanged"]
    dead = db.session.query(IntakeBody).filter_by(state="dead").one()
    assert json.loads(dead.body) == {"name": "nobody"}
    assert answer.json["results"][1]["receipt"] == dead.receipt


def test_items_that_all_fail_are_a_failure(post: Post) -> None:
    assert post([{"name": "a"}, {"name": "b"}]).status_code == 422


def test_a_known_contact_is_never_a_conflict(post: Post) -> None:
    for number in range(3):
        assert post({"email": "ann@example.com", "n": number}).status_code in (200, 201)


def test_headers_are_kept_without_the_credential(post: Post, credential: NewCredential) -> None:
    post({"email": "ann@example.com"}, User_Agent="Zapier", Cookie="a=b")
    row = db.session.query(IntakeBody).one()
    assert row.headers["User-Agent"] == "Zapier"
    assert not {"Authorization", "Cookie"} & set(row.headers)
    assert credential.password not in json.dumps(row.headers)


def test_a_wrong_credential_tells_how_to_sign_in(app: Flask) -> None:
    answer = app.test_client().post(ADDRESS, json={"email": "ann@example.com"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="lux-webhook", charset="UTF-8"'
    assert answer.json is not None
    assert answer.json["receipt"]


def test_me_names_the_connection(app: Flask, credential: NewCredential) -> None:
    answer = app.test_client().get("/api/me", auth=(credential.username, credential.password))
    assert answer.json is not None
    assert answer.json["name"] == "LUX · Zapier"
    assert answer.json["address"].endswith(ADDRESS)
    assert app.test_client().get("/api/me").status_code == 401


def test_no_cookie_and_no_csrf_token_are_needed(post: Post) -> None:
    answer = post({"email": "ann@example.com"}, Origin="https://elsewhere.example", Sec_Fetch_Site="cross-site")
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers


texts = st.text(max_size=30) | st.sampled_from(
    ["\x00", "\ud800", "=1+1", "<script>", "ann@example.com", "\u202e", "{{x}}"]
)
people = st.dictionaries(
    st.sampled_from(["email", "name", "phone", "source", "tags", "a__b", "x"]) | st.text(max_size=8),
    texts | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(texts, max_size=3),
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(people, min_size=1, max_size=3) | people | texts | st.binary(max_size=60))
def test_no_body_is_a_fault_of_lux(post: Post, body: Any) -> None:
    answer = post(body)
    assert answer.status_code in (200, 201, 400, 422), answer.text
    assert answer.json is not None
    assert answer.json["receipt"]
    assert db.session.query(IntakeBody).filter_by(state="new").count() == 0


def test_each_post_is_counted_by_what_became_of_it(app: Flask, post: Post) -> None:
    def counted() -> dict[str, float]:
        return {one.labels[0]: one.total for one in counters().list_series() if one.name == "lux_intake_total"}

    before = counted()
    post({"email": "ann@example.com"})
    post({"email": "ann@example.com", "name": "Ann"})
    post(b"{")
    now = counted()
    assert {kind: now[kind] - before.get(kind, 0) for kind in now if now[kind] != before.get(kind)} == {
        "created": 1,
        "known": 1,
        "refused": 1,
    }
