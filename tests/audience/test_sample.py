"""Sample data: invented people that come and go with one click."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from audience.sample import PEOPLE, SEGMENTS, add_sample_data, count_sample_contacts, delete_sample_data
from audience.segments import count_segment, list_segments
from extensions import db
from models import Contact, Suppression
from tests import makers


def test_sample_data_comes_once_and_goes_whole(app: Flask) -> None:
    own = makers.make_contact()
    assert add_sample_data(actor="Ada") == PEOPLE
    assert add_sample_data(actor="Ada") == 0
    assert count_sample_contacts() == PEOPLE
    samples = list_segments("sample")
    assert len(samples) == len(SEGMENTS)
    assert all(count_segment(segment.id) > 0 for segment in samples)
    assert delete_sample_data() == PEOPLE
    assert db.session.scalars(select(Contact.id)).all() == [own.id]
    assert list_segments("sample") == []
    assert db.session.scalars(select(Suppression)).all() == []


def test_invented_addresses_reach_nobody(app: Flask) -> None:
    add_sample_data(actor="Ada")
    assert all(email.endswith("@example.com") for email in db.session.scalars(select(Contact.email)))
