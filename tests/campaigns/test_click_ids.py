"""Click ids: added for the sites that report conversions and for nobody else, and never for who does not want them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from analytics.conversion_rules import change_rules
from campaigns.click_ids import PARAMETER, find_clicked_message, origin_of
from campaigns.mail_links import CLICK, make_link_signer
from campaigns.sending import send_due_messages
from config import current_settings
from extensions import db
from models import Message
from tests import makers
from tests.campaigns.ledger_scene import make_contacts, start

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def message(app: Flask) -> Message:
    """A message that was delivered an hour ago; its links lead to shop.example."""
    send_due_messages(start(make_contacts(1)))
    db.session.execute(text("UPDATE messages SET finished_at = now() - interval '1 hour'"))
    db.session.commit()
    found: Message = db.session.scalars(db.select(Message)).one()
    return found


def report_from(*sites: str) -> None:
    change_rules(sites=" ".join(sites), names="purchase", window_days="30", by=makers.make_user(), peer="127.0.0.1")


def follow(client: FlaskClient, message: Message, **headers: str) -> str:
    token = make_link_signer(current_settings().session_secrets).sign(CLICK, message.id, 1)
    answer = client.get(f"/c/{token}", headers={"User-Agent": FIREFOX, **headers})
    assert answer.status_code == 302
    return answer.headers["Location"]


def test_a_link_to_a_site_that_reports_carries_an_id_that_leads_back(client: FlaskClient, message: Message) -> None:
    report_from("https://shop.example")
    query = parse_qs(urlsplit(follow(client, message)).query)
    assert query["who"] == ["Person1"]
    found = find_clicked_message(query[PARAMETER][0])
    assert found is not None and found.id == message.id


@pytest.mark.parametrize("site", ["https://other.example", "http://shop.example", "https://shop.example:8443"])
def test_no_other_site_gets_one(client: FlaskClient, message: Message, site: str) -> None:
    report_from(site)
    assert PARAMETER not in follow(client, message)


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_whoever_asks_not_to_be_followed_gets_none(client: FlaskClient, message: Message, header: str) -> None:
    report_from("https://shop.example")
    assert PARAMETER not in follow(client, message, **{header: "1"})


def test_a_machine_gets_none(client: FlaskClient, message: Message) -> None:
    report_from("https://shop.example")
    assert PARAMETER not in follow(client, message, **{"User-Agent": "curl/8.0"})


def test_other_tokens_are_no_click_ids(app: Flask, message: Message) -> None:
    signer = make_link_signer(current_settings().session_secrets)
    assert find_clicked_message(signer.sign(CLICK, message.id, 1)) is None
    assert find_clicked_message("A" * 40) is None
    assert find_clicked_message("") is None


def test_origins_are_read_as_browsers_name_them() -> None:
    assert origin_of("https://Shop.Example:443/a?b#c") == "https://shop.example"
    assert origin_of("http://[2001:db8::1]:8080/") == "http://[2001:db8::1]:8080"
    for odd in ("mailto:a@b.example", "javascript:alert(1)", "//shop.example", "https://", "http://[x", "http://a:b/"):
        assert origin_of(odd) == ""
