"""Nothing that anybody sends makes LUX call this machine (Mautic CVE-2022-25777; Bugsink GHSA-fp53-qcf8-2xx2).

The one part that calls addresses of people's choice is channels/outgoing_webhooks.py; its own tests have the spellings,
the resolver that changes its mind and the redirects. Here a canary listens while all of LUX is told to come.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from accounts.encryption import encrypt
from extensions import db
from lib.webhook_signature import make_secret
from models import OutgoingWebhook
from publishing.deliveries import list_deliveries, send_test, send_webhook_deliveries
from tests.channels.test_outgoing_webhooks import SPELLINGS
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.security.forms import Form
from tests.security.house import House

ZAPIER = "/api/webhook/zapier-contact"


@pytest.fixture
def canary() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as one:
        yield one


def lures(canary: WebhookReceiver) -> list[str]:
    return [spelling.replace("{port}", str(canary.port)) for spelling in SPELLINGS if "{port}" in spelling]


def work(house: House) -> list[str]:
    """The worker's turn: every webhook's deliveries, whatever stands in its row. How they ended."""
    with house.app.app_context():
        webhook_ids = [row.id for row in db.session.query(OutgoingWebhook).filter_by(archived_at=None)]
        for webhook_id in webhook_ids:
            send_test(webhook_id, user_id=None)
            send_webhook_deliveries(webhook_id)
        states = [row.state for webhook_id in webhook_ids for row in list_deliveries(webhook_id=webhook_id)]
        db.session.remove()
    return states


def test_there_are_twenty_spellings_and_more(canary: WebhookReceiver) -> None:
    assert len(set(lures(canary))) >= 20


def test_no_form_and_no_posted_contact_leads_lux_to_this_machine(
    house: House, forms: list[Form], canary: WebhookReceiver
) -> None:
    spellings = itertools.cycle(lures(canary))
    for form in forms:
        house.ask("owner", "POST", form.action, data={name: next(spellings) for name in form.fields})
        kept = {name: value or next(spellings) for name, value in form.fields.items()}
        house.ask("owner", "POST", form.action, data=kept)
        house.contents.restore(house.contents.changed_among(("user_sessions", "users")))
    keys = ("url", "website", "avatar", "image", "callback", "webhook", "link", "source", "href", "next")
    for spelling in lures(canary):
        body = {"email": "lure@lumen.example", **dict.fromkeys(keys, spelling)}
        assert house.ask("zapier", "POST", ZAPIER, json=body).status_code in (200, 201)
    work(house)
    assert canary.hits == 0


def test_no_address_in_the_database_leads_lux_there_either(house: House, canary: WebhookReceiver) -> None:
    """Whoever came past the form: what was kept is looked at again before it is called."""
    with house.app.app_context():
        for number, spelling in enumerate(lures(canary)):
            db.session.add(OutgoingWebhook(name=f"Lure {number}", url=spelling, secret=encrypt(make_secret())))
        db.session.commit()
        db.session.remove()
    states = work(house)
    assert len(states) >= len(lures(canary))
    assert "delivered" not in states
    assert canary.hits == 0
