"""No name, subject, text or field is ever read as a template (listmonk CVE-2025-49136, Mautic CVE-2026-9558)."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.launching import launch_campaign
from campaigns.sending import send_due_messages
from channels.outbox import get_outbox_message, list_outbox_messages
from config import current_settings
from errors import Conflict
from extensions import db
from tests import makers
from tests.campaigns.ledger_scene import start
from tests.campaigns.test_rendering import PAYLOADS
from tests.security.house import OPERATOR_TOKEN, House

# What an evaluated template would bring out: a setting, an environment, a file, a class, a product of seven and seven.
TOLD = ("a-secret-for-tests-only", OPERATOR_TOKEN, "root:x:0", "uid=0(", "<class '", "<Config {", "<module ", "7777777")
WORDS = [payload for payload in PAYLOADS if payload.isprintable()]


def test_there_are_sixty_payloads_and_more() -> None:
    assert len(set(WORDS)) >= 60


def test_no_page_evaluates_a_name_of_a_segment_a_campaign_a_contact_or_a_person(house: House) -> None:
    with house.app.app_context():
        rows: list[tuple[str, str]] = []
        for payload in WORDS:
            segment = makers.make_segment(name=payload)
            content = {"subject": payload, "preheader": payload, "blocks": [{"kind": "text", "text": payload}]}
            campaign = makers.make_campaign(name=payload, content=content, segment_id=segment.id, goal=payload)
            contact = makers.make_contact(name=payload, source=payload, tags=payload, attributes={"note": payload})
            rows += [
                (f"/campaigns/{campaign.id}/preview", payload),
                (f"/contacts/{contact.id}", payload),
            ]
        db.session.commit()
        db.session.remove()
    lists = ("/segments/", "/campaigns/", "/contacts/", "/", "/palette/?q=7", "/dashboard/campaigns")
    for address, payload in [*rows, *((address, "") for address in lists)]:
        answer = house.ask("owner", "GET", address)
        page = makers.soup(answer).get_text(" ")
        assert answer.status_code == 200, (address, payload)
        assert not [told for told in TOLD if told in page], (address, payload)
        if address.endswith("/preview"):
            assert "49" not in page.replace(payload, ""), payload
    shown = " ".join(makers.soup(house.ask("owner", "GET", "/segments/")).get_text(" ").split())
    assert sum(" ".join(payload.split()) in shown for payload in WORDS) >= 60


def test_no_letter_that_leaves_evaluates_anything(house: House) -> None:
    with house.app.app_context():
        content: dict[str, Any] = {"subject": "x", "blocks": [{"kind": "text", "text": "{{config}}"}]}
        unknown = makers.make_campaign(content=content, segment_id=makers.make_segment().id)
        with pytest.raises(Conflict, match="config"):
            launch_campaign(unknown.id)
        folder = current_settings().lux_data_dir / "outbox"
        for old in folder.glob("*.eml"):
            old.unlink()
        # Whoever writes an unknown tag is told so before the launch; all else leaves as it is written.
        text = "\n\n".join(payload for payload in WORDS if "{{" not in payload and "}}" not in payload)
        contacts = [makers.make_contact(name=payload, attributes={"note": payload}).id for payload in WORDS]
        content = {
            "subject": "{{name|friend}} ${7*7} <%= 7*7 %>",
            "blocks": [{"kind": "text", "text": f"{{{{attributes.note|none}}}}\n\n{text}"}],
        }
        send_due_messages(start(contacts, content=content))
        letters = list_outbox_messages(folder, limit=1000)
        assert len(letters) == len(WORDS)
        for letter in letters:
            message = get_outbox_message(folder, letter.name)
            parts = [str(part.get_content()) for part in message.walk() if part.get_content_maintype() == "text"]
            for part in [str(message["Subject"]), *parts]:
                assert not [told for told in TOLD if told in part], letter.name
            assert "${7*7} <%= 7*7 %>" in str(message["Subject"])
