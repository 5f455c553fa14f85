"""Lead scores: what gives points, kept for everybody with reasons, changed by people, taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from audience.rules import describe_rules, validate_rules
from audience.scores import (
    RULES,
    Points,
    change_scoring,
    count_leads,
    current_points,
    find_points,
    find_score,
    find_scoring,
    list_leads,
    put_back_scoring,
    score_changed_contacts,
    score_contacts,
    set_scoring,
    stop_scoring,
)
from audience.search import ContactFilter, list_contacts
from audience.segment_queries import count_rules
from errors import Conflict, InputInvalid
from extensions import db
from models import Contact, ContactEvent, TrackingEvent
from tests.makers import make_campaign, make_contact


def click(contact: Contact, *, campaigns: int = 1) -> None:
    """A person's click in each of so many campaigns, just now."""
    now = datetime.now(UTC)
    for _ in range(campaigns):
        campaign_id = make_campaign().id
        message = db.session.execute(
            db.text(
                "INSERT INTO messages (campaign_id, contact_id, address, state) "
                "VALUES (:campaign, :contact, 'x', 'sent') RETURNING id"
            ),
            {"campaign": campaign_id, "contact": contact.id},
        ).scalar_one()
        db.session.add(
            TrackingEvent(
                campaign_id=campaign_id, message_id=message, contact_id=contact.id, kind="click", actor="human", at=now
            )
        )
    contact.clicked_at = contact.opened_at = now
    db.session.commit()


def score_of(contact: Contact) -> dict[str, int]:
    score = find_score(contact.id)
    return dict(score.reasons) if score is not None else {}


def test_each_rule_gives_its_points_and_says_why(app: Flask) -> None:
    keen = make_contact(email="keen@firm.example", name="Keen", phone="+1 202 555 0142", attributes={"company": "Firm"})
    click(keen, campaigns=2)
    db.session.add(ContactEvent(contact_id=keen.id, kind="arrived_again", detail={"method": "webhook"}))
    db.session.commit()
    change_scoring(Points(), actor="Ada")
    score = find_score(keen.id)
    assert score is not None
    assert dict(score.reasons) == {rule.label: rule.points for rule in RULES}
    assert (score.points, score.fit, score.intent, score.level) == (100, 40, 60, "hot")
    assert score.reasons[0] == ("clicked in the last 30 days", 25), "the heaviest reason comes first"
    assert score.as_of is not None


def test_who_did_nothing_lately_has_few_points(app: Flask) -> None:
    calm = make_contact(email="calm@gmail.com", name="")
    old = make_contact(email="old@firm.example", name="Old")
    old.clicked_at = old.opened_at = datetime.now(UTC) - timedelta(days=31)
    db.session.commit()
    change_scoring(Points(), actor="Ada")
    assert score_of(calm) == {}
    assert find_points([calm.id, old.id]) == {calm.id: 0, old.id: 10}
    assert set(score_of(old)) == {"has a name", "writes from a domain of their own"}


def test_points_are_changed_and_taken_back(app: Flask) -> None:
    contact = make_contact(email="ann@gmail.com")
    change_scoring(Points(), actor="Ada")
    mine = Points({rule.key: 0 for rule in RULES} | {"name": 70})
    before = set_scoring(mine, actor="Bo")
    db.session.commit()
    assert find_points([contact.id]) == {contact.id: 70}
    put_back_scoring(before, after=mine, actor="Bo")
    db.session.commit()
    assert find_points([contact.id]) == {contact.id: 5}


def test_undone_to_nothing_scores_are_off(app: Flask) -> None:
    contact = make_contact()
    before = set_scoring(Points(), actor="Bo")
    put_back_scoring(before, after=Points(), actor="Bo")
    db.session.commit()
    assert (find_scoring(), find_score(contact.id), find_points([contact.id])) == (None, None, {})
    with pytest.raises(Conflict, match="changed the points"):
        put_back_scoring(None, after=Points(), actor="Bo")


@pytest.mark.parametrize(
    ("points", "field"),
    [
        (Points({"name": 101}), "name"),
        (Points({"name": -1}), "name"),
        (Points({"shoe_size": 5}), "points"),
        (Points({"name": 0}), "points"),
        (Points({"name": 5}, hot_from=20, warm_from=20), "hot_from"),
    ],
)
def test_points_that_make_no_sense_are_refused_by_name(app: Flask, points: Points, field: str) -> None:
    with pytest.raises(InputInvalid) as raised:
        change_scoring(points, actor="Ada")
    assert field in raised.value.fields
    db.session.rollback()
    assert find_scoring() is None


def test_the_clock_scores_who_is_new_or_did_something(app: Flask) -> None:
    first = make_contact(email="first@gmail.com")
    assert score_changed_contacts() == 0, "scores are off"
    change_scoring(Points(), actor="Ada")
    second = make_contact(email="second@gmail.com")
    click(first)
    assert score_changed_contacts() == 2
    assert find_points([first.id, second.id]) == {first.id: 40, second.id: 5}
    assert score_changed_contacts() == 0
    assert score_contacts() == 0, "nothing is written where nothing has changed"


def test_a_segment_speaks_of_the_score(app: Flask) -> None:
    keen, calm = make_contact(email="keen@gmail.com"), make_contact(email="calm@gmail.com")
    click(keen)
    change_scoring(Points(), actor="Ada")
    make_contact(email="new@gmail.com")
    rules = validate_rules({"match": "all", "rules": [{"field": "score", "operator": "at_least", "value": "40"}]})
    assert describe_rules(rules) == "Contacts whose lead score is at least 40."
    assert count_rules(rules) == 1
    less = validate_rules({"match": "all", "rules": [{"field": "score", "operator": "less_than", "value": 40}]})
    assert count_rules(less) == 2, "without a score yet it counts as nothing"
    assert calm.id


def test_contacts_stand_in_the_order_of_their_scores_page_by_page(app: Flask) -> None:
    contacts = [make_contact(email=f"c{number}@gmail.com", name="Ann" if number % 2 else "") for number in range(5)]
    click(contacts[2])
    wanted = ContactFilter(sort="score")
    assert len(list_contacts(wanted).contacts) == 5, "without scores it is the usual order"
    change_scoring(Points(), actor="Ada")
    expected = [contacts[number].id for number in (2, 3, 1, 4, 0)]
    seen: list[int] = []
    after = None
    while True:
        page = list_contacts(wanted, after=after, limit=2)
        seen += [one.id for one in page.contacts]
        if page.after is None:
            break
        after = page.after
    assert seen == expected
    back = list_contacts(wanted, before=expected[2], limit=2)
    assert [one.id for one in back.contacts] == expected[:2]


def test_leads_are_people_who_may_be_written_to(app: Flask) -> None:
    keen = make_contact(email="keen@gmail.com")
    gone = make_contact(email="gone@gmail.com", subscription="unsubscribed")
    click(keen)
    click(gone)
    leads = list_leads(current_points(), least=20, most=5)
    assert [(one.contact_id, one.points) for one in leads] == [(keen.id, 40)]
    counts = count_leads(current_points())
    assert (counts.scored, counts.hot, counts.warm) == (1, 0, 1)


def test_turned_off_nothing_is_kept(app: Flask) -> None:
    contact = make_contact()
    change_scoring(Points(), actor="Ada")
    stop_scoring()
    assert (find_score(contact.id), find_points([contact.id])) == (None, {})
