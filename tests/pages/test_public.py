"""What a receiver meets: every unknown link looks the same, reading changes nothing, leaving works at once."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from audience.consent import is_suppressed, list_consents
from campaigns.mail_links import (
    CLICK,
    CLICK_PATH,
    OPEN,
    OPEN_PATH,
    PREFERENCES,
    PREFERENCES_PATH,
    UNSUBSCRIBE,
    UNSUBSCRIBE_PATH,
    VIEW,
    VIEW_PATH,
    make_link_signer,
)
from campaigns.sending import send_due_messages
from campaigns.test_sends import send_test
from channels.outbox import get_outbox_message
from config import current_settings
from extensions import db
from models import Contact, Message, TrackingEvent
from tests.campaigns.ledger_scene import make_campaign, make_contacts, start

FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
KINDS = {
    OPEN_PATH: OPEN,
    CLICK_PATH: CLICK,
    UNSUBSCRIBE_PATH: UNSUBSCRIBE,
    PREFERENCES_PATH: PREFERENCES,
    VIEW_PATH: VIEW,
}


@dataclass
class Mailed:
    """A campaign that was sent to one person an hour ago, and the links in it."""

    message_id: int
    contact_id: int

    def link(self, path: str, number: int = 0) -> str:
        return path + make_link_signer(current_settings().session_secrets).sign(KINDS[path], self.message_id, number)

    @property
    def subscription(self) -> str:
        db.session.rollback()
        return str(db.session.scalar(select(Contact.subscription).where(Contact.id == self.contact_id)))


@pytest.fixture
def mailed(app: Flask) -> Mailed:
    contact_id = make_contacts(1)[0]
    send_due_messages(start([contact_id]))
    db.session.execute(update(Message).values(finished_at=datetime.now(UTC) - timedelta(hours=1)))
    db.session.commit()
    return Mailed(int(db.session.scalar(select(Message.id)) or 0), contact_id)


def list_events() -> list[tuple[str, str]]:
    db.session.rollback()
    return [(kind, actor) for kind, actor in db.session.execute(select(TrackingEvent.kind, TrackingEvent.actor))]


def wrong_tokens(token: str) -> list[str]:
    """Cut, lengthened, neighbouring, changed in each place that matters, in other alphabets, made up."""
    raw = base64.urlsafe_b64decode(token)
    neighbour = raw[:8] + bytes([raw[8] ^ 1]) + raw[9:]
    other_kind = bytes([raw[0] ^ 1]) + raw[1:]
    other_signature = raw[:-1] + bytes([raw[-1] ^ 1])
    changed = [base64.urlsafe_b64encode(one).decode() for one in (neighbour, other_kind, other_signature)]
    foreign = make_link_signer(("another secret of another house",)).sign(UNSUBSCRIBE, 1, 0)
    return [
        token[:-1], token[:20], token + "A", token + "=", token.lower(), token[::-1], *changed, foreign,
        "x", "1", "0" * 40, "A" * 40, "../../etc/passwd", f"{token}/more", token + "%0a", "é" * 40,
        "' OR 1=1 --", "<script>alert(1)</script>",
    ]  # fmt: skip


@pytest.mark.parametrize("path", KINDS)
def test_every_unknown_link_gets_the_same_answer(client: FlaskClient, mailed: Mailed, path: str) -> None:
    link = mailed.link(path)
    answers = {
        (answer.status_code, answer.get_data(), answer.headers.get("Set-Cookie"))
        for answer in (client.get(path + token) for token in wrong_tokens(link.removeprefix(path)))
    }
    assert len(answers) == 1
    status, body, cookie = answers.pop()
    assert (status, cookie) == (404, None)
    assert b"does not work" in body
    assert list_events() == []


def test_a_link_of_one_kind_opens_nothing_of_another(client: FlaskClient, mailed: Mailed) -> None:
    token = mailed.link(OPEN_PATH).removeprefix(OPEN_PATH)
    for path in (CLICK_PATH, UNSUBSCRIBE_PATH, PREFERENCES_PATH, VIEW_PATH):
        assert client.get(path + token).status_code == 404
    assert client.post(UNSUBSCRIBE_PATH + token).status_code == 404
    assert mailed.subscription == "subscribed"


@pytest.mark.parametrize("path", KINDS)
def test_what_a_receiver_gets_is_private_and_sets_no_cookie(client: FlaskClient, mailed: Mailed, path: str) -> None:
    answer = client.get(mailed.link(path, 1 if path == CLICK_PATH else 0), headers=FIREFOX)
    assert answer.status_code in (200, 302)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


def test_a_click_leads_to_the_stored_target_whatever_the_address_says(client: FlaskClient, mailed: Mailed) -> None:
    link = mailed.link(CLICK_PATH, 2)
    for query in ("", "?url=https://evil.example", "?next=//evil.example", "?to=javascript:alert(1)&u=https://evil"):
        assert client.get(link + query, headers=FIREFOX).location == "https://shop.example/now"
    assert ("click", "human") in list_events()


def test_the_trap_is_a_machine_and_leads_home(client: FlaskClient, mailed: Mailed) -> None:
    answer = client.get(mailed.link(CLICK_PATH, 0), headers=FIREFOX)
    assert answer.location == current_settings().lux_public_url
    assert list_events() == [("click", "machine")]


def test_the_pixel_is_an_image_and_head_is_no_person(client: FlaskClient, mailed: Mailed) -> None:
    answer = client.get(mailed.link(OPEN_PATH), headers=FIREFOX)
    assert answer.mimetype == "image/gif"
    assert answer.get_data().startswith(b"GIF89a")
    client.head(mailed.link(OPEN_PATH), headers=FIREFOX)
    assert sorted(list_events()) == [("open", "human"), ("open", "machine")]


def test_opening_every_page_changes_no_consent(client: FlaskClient, mailed: Mailed) -> None:
    for path in KINDS:
        for method in ("get", "head", "options"):
            getattr(client, method)(mailed.link(path))
    assert mailed.subscription == "subscribed"
    assert list_consents(mailed.contact_id) == []


def test_the_mail_clients_one_click_works_without_cookie_or_token(client: FlaskClient, mailed: Mailed) -> None:
    answer = client.post(mailed.link(UNSUBSCRIBE_PATH), data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert mailed.subscription == "unsubscribed"
    entry = list_consents(mailed.contact_id)[0]
    assert (entry.state, entry.method) == ("unsubscribed", "one_click")


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site", "Origin": "https://mail.example"}, {}])
@pytest.mark.parametrize(
    "body", [{"data": {"List-Unsubscribe": "One-Click"}, "content_type": "multipart/form-data"}, {"data": b""}]
)
def test_leaving_works_from_wherever_it_is_posted(
    client: FlaskClient, mailed: Mailed, headers: dict[str, str], body: dict[str, object]
) -> None:
    assert client.post(mailed.link(UNSUBSCRIBE_PATH), headers=headers, **body).status_code == 200
    assert mailed.subscription == "unsubscribed"


def test_the_header_of_a_real_message_leads_out(client: FlaskClient, mailed: Mailed, app: Flask) -> None:
    folder = app.config["LUX"].lux_data_dir / "outbox"
    queue_id = db.session.scalar(select(Message.queue_id)) or ""
    header = str(get_outbox_message(folder, queue_id)["List-Unsubscribe"]).strip("<>")
    client.post(header.removeprefix(current_settings().lux_public_url), data={"List-Unsubscribe": "One-Click"})
    assert mailed.subscription == "unsubscribed"


def test_the_header_of_a_test_message_leads_out_too(client: FlaskClient, app: Flask) -> None:
    campaign = make_campaign(make_contacts(1))
    outcome = send_test(campaign.id, "tester@lumen.example")
    folder = app.config["LUX"].lux_data_dir / "outbox"
    header = str(get_outbox_message(folder, outcome.queue_id or "")["List-Unsubscribe"]).strip("<>")
    path = header.removeprefix(current_settings().lux_public_url)
    assert "Unsubscribe?" in client.get(path).get_data(as_text=True)
    assert client.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert is_suppressed("tester@lumen.example")
    assert "You are unsubscribed" in client.get(path).get_data(as_text=True)


def test_the_page_asks_and_its_button_leaves(client: FlaskClient, mailed: Mailed) -> None:
    page = client.get(mailed.link(UNSUBSCRIBE_PATH)).get_data(as_text=True)
    assert "Unsubscribe?" in page
    assert "p1@people.example" not in page, "a forwarded message must not give the address away"
    assert "You are unsubscribed" in client.post(mailed.link(UNSUBSCRIBE_PATH)).get_data(as_text=True)
    assert list_consents(mailed.contact_id)[0].method == "page"


def test_leaving_twice_is_the_same_as_once(client: FlaskClient, mailed: Mailed) -> None:
    for _ in range(3):
        assert client.post(mailed.link(UNSUBSCRIBE_PATH)).status_code == 200
    assert mailed.subscription == "unsubscribed"
    assert [event for event in list_events() if event[0] == "unsubscribe"] == [("unsubscribe", "human")]


def test_a_person_can_leave_and_come_back_on_the_preference_page(client: FlaskClient, mailed: Mailed) -> None:
    link = mailed.link(PREFERENCES_PATH)
    assert "gets no messages" in client.post(link, data={"wish": "leave"}).get_data(as_text=True)
    assert mailed.subscription == "unsubscribed"
    assert "Saved" in client.post(link, data={"wish": "return"}).get_data(as_text=True)
    assert mailed.subscription == "subscribed"
    assert [entry.state for entry in list_consents(mailed.contact_id)] == ["subscribed", "unsubscribed"]
    client.post(link, data={"wish": "nonsense"})
    assert mailed.subscription == "subscribed"


def test_the_message_in_the_browser_is_isolated_and_its_links_live(client: FlaskClient, mailed: Mailed) -> None:
    answer = client.get(mailed.link(VIEW_PATH), headers=FIREFOX)
    assert "Hello Person1" in answer.get_data(as_text=True)
    assert CLICK_PATH in answer.get_data(as_text=True)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "allow-scripts" not in policy


def test_an_erased_person_can_still_follow_their_link(client: FlaskClient, mailed: Mailed) -> None:
    db.session.execute(text("UPDATE messages SET contact_id = NULL, address = 'erased@invalid'"))
    db.session.commit()
    assert client.get(mailed.link(UNSUBSCRIBE_PATH)).status_code == 200
    assert client.post(mailed.link(UNSUBSCRIBE_PATH)).status_code == 200
    assert client.get(mailed.link(VIEW_PATH)).status_code == 200


def test_links_survive_the_rotation_of_the_secret(mailed: Mailed, make_app: Callable[..., Flask]) -> None:
    link = mailed.link(UNSUBSCRIBE_PATH)
    old = ",".join(current_settings().session_secrets)
    rotated = make_app(SESSION_SECRET=f"a-new-secret-that-is-long-enough-for-anybody,{old}")
    assert rotated.test_client().get(link).status_code == 200
    with rotated.app_context():
        db.engine.dispose()
