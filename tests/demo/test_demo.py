"""The demo is a business whose figures add up and whose pages open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from campaigns.tallies import count_states_of
from demo.__main__ import fill
from extensions import db
from models import Campaign, Contact, Message, TrackingEvent
from tests import makers
from tests.servers import drop_database, make_database

PEOPLE = 400


@pytest.fixture(scope="module")
def demo_url(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    url, folder = make_database(database_url), tmp_path_factory.mktemp("demo")
    assert fill(url, folder, PEOPLE)
    yield url, folder
    drop_database(database_url, url)


@pytest.fixture
def demo_app(demo_url: tuple[str, Path], make_app: Callable[..., Flask]) -> Iterator[Flask]:
    url, folder = demo_url
    app = make_app(DATABASE_URL=url, LUX_DATA_DIR=str(folder))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_every_campaign_balances_and_people_open_less_than_they_get(demo_app: Flask) -> None:
    assert db.session.scalar(select(func.count()).select_from(Contact)) == PEOPLE
    campaigns = list(db.session.scalars(select(Campaign.id)))
    assert len(campaigns) > 52
    for counts in count_states_of(campaigns).values():
        assert counts.is_balanced
        assert counts.clicks_human <= counts.opens_human <= counts.sent
    assert db.session.scalar(select(func.count()).select_from(Message).where(Message.state == "pending")) == 0


def test_nothing_happens_before_its_message_or_in_the_future(demo_app: Flask) -> None:
    late = select(func.count()).select_from(TrackingEvent).join(Message, Message.id == TrackingEvent.message_id)
    wrong = late.where((TrackingEvent.at < Message.finished_at) | (TrackingEvent.at > func.now()))
    assert db.session.scalar(wrong) == 0
    too_early = select(func.count()).select_from(Message).join(Contact, Contact.id == Message.contact_id)
    assert db.session.scalar(too_early.where(Message.created_at < Contact.created_at)) == 0


def test_a_second_start_changes_nothing(demo_url: tuple[str, Path]) -> None:
    assert fill(*demo_url, PEOPLE) is False


def test_its_pages_open(demo_app: Flask) -> None:
    client = makers.signed_in_client(demo_app, makers.make_user(role="owner", email="ada@demo.example"))
    for address in ("/", "/contacts/", "/segments/", "/campaigns/"):
        assert client.get(address).status_code == 200
