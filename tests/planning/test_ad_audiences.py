"""Audiences leave LUX as hashes of who agreed, after it was written down who took them."""

from __future__ import annotations

import hashlib

import pytest
from flask import Flask
from sqlalchemy import select

from errors import InputInvalid
from extensions import db
from models import AuditEntry, Segment
from planning.ad_audiences import count_audience, hash_address, note_export, stream_audience
from tests.makers import make_contact, make_segment

ALL = {"match": "all", "rules": [{"field": "source", "operator": "is", "value": "Website form"}]}


@pytest.fixture
def segment(app: Flask) -> Segment:
    for state in ("subscribed", "none", "unsubscribed", "bounced", "complained"):
        make_contact(email=f"{state}@example.com", subscription=state)
    make_contact(email="second@example.com")
    return make_segment(name="Everybody", rules=ALL)


def test_only_who_is_subscribed_is_counted_and_named(segment: Segment) -> None:
    assert count_audience(segment.id) == 2
    lines = "".join(stream_audience(segment.id)).split()
    assert lines == ["Email", hash_address("subscribed@example.com"), hash_address("second@example.com")]
    assert not any("@" in line for line in lines)


def test_an_address_is_hashed_as_networks_compare_it() -> None:
    assert hash_address("  Ann@Example.COM ") == hashlib.sha256(b"ann@example.com").hexdigest()


def test_an_export_is_written_down_before_it_leaves(segment: Segment) -> None:
    note_export(segment.id, has_agreed=True, actor="Ada", user_id=None, peer="127.0.0.1")
    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None and entry.action == "contacts_exported"
    assert "2 hashed addresses" in str(entry.detail)


def test_nothing_leaves_unless_somebody_says_that_people_agreed(segment: Segment) -> None:
    with pytest.raises(InputInvalid, match="have agreed"):
        note_export(segment.id, has_agreed=False, actor="Ada", user_id=None, peer=None)
    nobody = make_segment(name="Nobody", rules={})
    with pytest.raises(InputInvalid, match="nobody to name"):
        note_export(nobody.id, has_agreed=True, actor="Ada", user_id=None, peer=None)
