"""Conversions: checked, counted once, attributed to the last click in the window, else to UTM words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask

from analytics.conversion_figures import (
    count_clicked_conversions,
    count_conversions,
    list_cause_rows,
    list_groups,
    list_name_rows,
    list_word_rows,
    sum_worth,
)
from analytics.conversion_rules import change_rules, get_rules
from analytics.conversions import Noted, delete_old_conversions, take_from_server, take_from_site
from analytics.links import list_link_rows
from analytics.periods import read_period
from audience.erasure import erase_contact
from audience.timeline import list_moments
from campaigns.mail_links import CLICK_ID, OPEN, make_link_signer
from config import current_settings
from errors import InputInvalid
from extensions import db
from models import Contact, Conversion, Message, TrackingEvent
from tests import makers
from tests.analytics.sent_scene import make_sent

NOW = datetime.now(UTC)
BOUGHT: dict[str, Any] = {"name": "purchase", "key": "A-1", "value": 49.9, "currency": "EUR"}


@pytest.fixture
def clicked(app: Flask) -> Message:
    """A message whose person clicked two days ago."""
    make_sent(NOW - timedelta(days=2), name="Spring letter")
    found: Message = db.session.scalars(db.select(Message).order_by(Message.id).limit(1)).one()
    return found


def click_id(message: Message, kind: int = CLICK_ID) -> str:
    return make_link_signer(current_settings().session_secrets).sign(kind, message.id, 1)


def from_site(**changes: Any) -> Noted:
    return take_from_site({**BOUGHT, "consent": "granted", **changes})


def only() -> Conversion:
    db.session.expire_all()
    found: Conversion = db.session.scalars(db.select(Conversion)).one()
    return found


def test_a_click_id_names_the_person_the_campaign_and_the_link(clicked: Message) -> None:
    assert from_site(click=click_id(clicked)).attribution == "click"
    row = only()
    assert (row.contact_id, row.campaign_id) == (clicked.contact_id, clicked.campaign_id)
    assert (row.value, row.currency, row.origin) == (Decimal("49.90"), "EUR", "site")
    assert row.link_id is not None


def test_the_last_click_counts_whichever_message_brought_the_person_there_first(clicked: Message) -> None:
    later = make_sent(NOW - timedelta(days=1), name="Summer letter", clicked=1)
    db.session.execute(
        db.update(TrackingEvent).where(TrackingEvent.campaign_id == later.id).values(contact_id=clicked.contact_id)
    )
    db.session.commit()
    from_site(click=click_id(clicked))
    assert only().campaign_id == later.id


@pytest.mark.parametrize(("days", "attribution"), [(29, "click"), (31, "none")])
def test_a_click_counts_for_as_long_as_the_rules_say(app: Flask, days: int, attribution: str) -> None:
    make_sent(NOW - timedelta(days=days))
    message = db.session.scalars(db.select(Message).order_by(Message.id)).first()
    assert message is not None
    assert from_site(click=click_id(message)).attribution == attribution
    assert only().contact_id == message.contact_id


def test_a_machines_click_is_no_cause(clicked: Message) -> None:
    db.session.execute(db.update(TrackingEvent).values(actor="machine"))
    db.session.commit()
    assert from_site(click=click_id(clicked)).attribution == "none"


def test_ids_that_were_not_signed_for_this_are_like_none(clicked: Message) -> None:
    whole = click_id(clicked)
    for number, token in enumerate(("", whole[:-1], whole[:-1] + "A", click_id(clicked, OPEN), "é" * 40)):
        assert from_site(click=token, key=f"A-{number}").attribution == "none"
    assert set(db.session.scalars(db.select(Conversion.contact_id))) == {None}


def test_utm_words_find_the_campaign_whose_links_carry_them(clicked: Message) -> None:
    found = from_site(utm_source="lux", utm_campaign="spring")
    assert found.attribution == "utm"
    assert only().campaign_id == clicked.campaign_id
    from_site(key="A-2", utm_source="search", utm_medium="cpc", utm_campaign=".*")
    foreign = db.session.scalars(db.select(Conversion).order_by(Conversion.id.desc())).first()
    assert foreign is not None and foreign.campaign_id is None


def test_a_server_names_the_person_by_address(clicked: Message) -> None:
    contact = db.session.get_one(Contact, clicked.contact_id)
    assert take_from_server({**BOUGHT, "email": contact.email.upper()}).attribution == "click"
    assert only().contact_id == contact.id
    assert take_from_server({**BOUGHT, "key": "A-2", "email": "nobody@example.com"}).attribution == "none"


def test_told_twice_it_counts_once_and_the_servers_word_stands(clicked: Message) -> None:
    first = from_site(click=click_id(clicked), value=1)
    again = from_site(value=7)
    told = take_from_server(BOUGHT)
    late = from_site(value=9_999)
    assert [first.is_new, again.is_new, told.is_new, late.is_new] == [True, False, False, False]
    row = only()
    assert (row.value, row.origin, row.attribution) == (Decimal("49.90"), "server", "click")
    assert from_site(name="lead").is_new


def test_without_a_key_one_person_counts_once_a_day(clicked: Message) -> None:
    token = click_id(clicked)
    assert from_site(key=None, click=token).is_new
    assert not from_site(key=None, click=token).is_new
    assert from_site(key=None).is_new and from_site(key=None).is_new


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "refund"}, "name"),
        ({"name": None}, "name"),
        ({"name": ["purchase"]}, "name"),
        ({"value": -1}, "value"),
        ({"value": "many"}, "value"),
        ({"value": 1e12}, "value"),
        ({"value": float("nan")}, "value"),
        ({"value": True}, "value"),
        ({"currency": None}, "currency"),
        ({"currency": "euro"}, "currency"),
        ({"key": "x" * 81}, "key"),
        ({"key": {"a": 1}}, "key"),
        ({"utm_source": "x" * 81}, "utm_source"),
        ({"email": "not an address"}, "email"),
        ({"at": "2026-11-23"}, "at"),
        ({"at": "1999-01-01T00:00:00Z"}, "at"),
        ({"at": 5}, "at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_noted(app: Flask, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputInvalid) as refused:
        take_from_server({**BOUGHT, **changes})
    assert field in refused.value.fields
    assert db.session.scalar(db.select(db.func.count()).select_from(Conversion)) == 0


@pytest.mark.parametrize("consent", [None, "", "denied", True, 1])
def test_a_browser_without_its_visitors_consent_is_not_heard(app: Flask, consent: object) -> None:
    with pytest.raises(InputInvalid) as refused:
        take_from_site({**BOUGHT, "consent": consent})
    assert list(refused.value.fields) == ["consent"]


def test_a_browser_may_not_name_people_or_moments(app: Flask) -> None:
    with pytest.raises(InputInvalid) as refused:
        from_site(email="ada@example.com", at="2026-11-23T10:00:00Z")
    assert set(refused.value.fields) == {"email", "at"}


def test_the_story_tells_of_it_and_erasing_the_person_leaves_the_sum_alone(clicked: Message) -> None:
    from_site(click=click_id(clicked))
    assert clicked.contact_id is not None
    moment = next(one for one in list_moments(clicked.contact_id) if one.icon == "star")
    assert (moment.title, moment.campaign_id) == ("Purchase: 49.90 EUR", clicked.campaign_id)
    assert "A-1" in moment.text
    campaign_id = clicked.campaign_id
    erase_contact(clicked.contact_id, actor="Ada", user_id=None, peer=None)
    row = only()
    assert (row.contact_id, row.link_id, row.reference, row.campaign_id) == (None, None, None, campaign_id)


def test_figures_add_up_by_name_cause_and_word(clicked: Message) -> None:
    from_site(click=click_id(clicked))
    from_site(key="A-2", value=10, utm_source="search", utm_medium="cpc")
    take_from_server({"name": "lead", "key": "L-1"})
    period = read_period("28", "", "", "UTC")
    assert (count_conversions(period), count_conversions(period.before())) == (3, 0)
    assert count_clicked_conversions(period) == 1
    assert sum_worth(list_name_rows(period)) == {"EUR": Decimal("59.90")}
    names = {(one.name, one.count, one.by_click, one.by_utm, one.from_server) for one in list_name_rows(period)}
    assert names == {("purchase", 2, 1, 1, 0), ("lead", 1, 0, 0, 1)}
    causes = {(one.attribution, one.title, one.count) for one in list_cause_rows(list_groups(period))}
    assert causes == {("click", "Spring letter", 1), ("utm", "search / cpc", 1), ("none", "Nothing known", 1)}
    words = {
        (one.word, one.value): (one.conversions, one.worth)
        for one in list_word_rows(list_groups(period), list_link_rows(period))
    }
    assert words["utm_source", "lux"] == (1, {"EUR": Decimal("49.90")})
    assert words["utm_source", "search"] == (1, {"EUR": Decimal("10.00")})


def test_old_ones_are_forgotten(app: Flask) -> None:
    take_from_server(BOUGHT)
    assert delete_old_conversions() == 0
    db.session.execute(db.update(Conversion).values(at=NOW - timedelta(days=1_200)))
    assert delete_old_conversions() == 1


def test_rules_are_checked_and_audited(app: Flask) -> None:
    ada = makers.make_user()
    assert get_rules().sites == []
    given = {"sites": "https://Shop.example/\nhttps://shop.example http://localhost:3000", "names": "purchase, demo"}
    change_rules(**given, window_days="7", by=ada, peer="127.0.0.1")
    rules = get_rules()
    assert (rules.sites, rules.names) == (["https://shop.example", "http://localhost:3000"], ["purchase", "demo"])
    assert rules.window_days == 7
    wrong = {"sites": "shop.example", "names": "<b>", "window_days": "0"}
    with pytest.raises(InputInvalid) as refused:
        change_rules(**wrong, by=ada, peer="127.0.0.1")
    assert set(refused.value.fields) == {"sites", "names", "window_days"}
    for site in ("javascript:alert(1)", "https://shop.example/path", "https://intranet", "https://u:p@shop.example"):
        with pytest.raises(InputInvalid):
            change_rules(sites=site, names="purchase", window_days="7", by=ada, peer="127.0.0.1")
