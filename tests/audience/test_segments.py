"""Segments: who is in by rules, by hand, by both; names, keys, archiving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from audience.rules import validate_rules
from audience.segment_queries import list_samples, rules_query, segment_condition
from audience.segments import (
    RECIPES,
    add_members,
    add_segment,
    archive_segment,
    change_segment,
    count_segment,
    delete_members,
    describe_segment,
    get_segment,
    list_segments,
    list_segments_of,
    segment_query,
)
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import Contact, Message, TrackingEvent
from tests import makers


def by(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"match": "all", "rules": [{"field": field, "operator": operator, "value": value}]}


def who(rules: dict[str, Any]) -> set[str | None]:
    ids = rules_query(validate_rules(rules))
    return set(db.session.scalars(select(Contact.name).where(Contact.id.in_(ids))))


def test_text_compares_without_regard_to_case_and_marks_are_only_letters(app: Flask) -> None:
    makers.make_contact(name="Ann 100% Lee", attributes={"plan": "Pro"})
    makers.make_contact(name="ann_lee", attributes={"plan": "free"})
    makers.make_contact(name="", attributes={})
    assert who(by("name", "contains", "ANN")) == {"Ann 100% Lee", "ann_lee"}
    assert who(by("name", "contains", "100%")) == {"Ann 100% Lee"}
    assert who(by("name", "contains", "n_l")) == {"ann_lee"}
    assert who(by("name", "starts_with", "ann_")) == {"ann_lee"}
    assert who(by("name", "not_contains", "ann")) == {None}
    assert who(by("name", "is_unknown")) == {None}
    assert who(by("attribute.plan", "is", "pro")) == {"Ann 100% Lee"}
    assert who(by("attribute.plan", "is_not", "pro")) == {"ann_lee", None}
    assert who(by("attribute.plan", "is_any_of", "PRO, free")) == {"Ann 100% Lee", "ann_lee"}


def test_numbers_and_dates_in_attributes_compare_and_the_rest_is_passed_over(app: Flask) -> None:
    makers.make_contact(name="Young", attributes={"age": "18", "born": "2008-01-01"})
    makers.make_contact(name="Old", attributes={"age": " 64.5 ", "born": "1961-05-05T10:00"})
    makers.make_contact(name="Odd", attributes={"age": "old", "born": "long ago"})
    assert who(by("attribute.age", "more_than", 18)) == {"Old"}
    assert who(by("attribute.age", "less_than", "64,5")) == {"Young"}
    assert who(by("attribute.born", "before", "2000-01-01")) == {"Old"}
    assert who(by("attribute.born", "after", "2008-01-01")) == {"Young"}


def test_consent_tags_and_suppression_count(app: Flask) -> None:
    makers.make_contact(name="In", tags="vip, beta")
    makers.make_contact(name="Out", subscription="unsubscribed")
    makers.make_contact(name="Never", subscription="none")
    assert who(by("subscription", "is_any_of", ["subscribed", "none"])) == {"In", "Never"}
    assert who(by("subscription", "is_not", "subscribed")) == {"Out", "Never"}
    assert who(by("agreed", "within_days", 1)) == {"In", "Out"}
    assert who(by("left", "ever")) == {"Out"}
    assert who(by("agreed", "never")) == {"Never"}
    assert who(by("tag", "has", "beta")) == {"In"}
    assert who(by("tag", "has_not", "beta")) == {"Out", "Never"}
    assert who(by("suppressed", "is_false")) == {"In", "Out", "Never"}


def test_activity_is_that_of_people_and_of_their_days(app: Flask) -> None:
    reader, quiet = makers.make_contact(name="Reader"), makers.make_contact(name="Quiet")
    campaign = makers.make_campaign()
    now = datetime.now(UTC)
    for contact, days in ((reader, 5), (quiet, 50)):
        message = Message(
            campaign_id=campaign.id, contact_id=contact.id, address=contact.email, state="sent",
            finished_at=now - timedelta(days=days),
        )  # fmt: skip
        db.session.add(message)
        db.session.flush()
        actor = "human" if contact is reader else "machine"
        db.session.add(
            TrackingEvent(
                campaign_id=campaign.id, message_id=message.id, contact_id=contact.id, kind="open", actor=actor
            )
        )
    db.session.execute(update(Contact).where(Contact.id == reader.id).values(opened_at=now))
    db.session.commit()
    assert who(by("received", "within_days", 30)) == {"Reader"}
    assert who(by("received", "ever")) == {"Reader", "Quiet"}
    assert who(by("opened", "within_days", 1)) == {"Reader"}
    assert who(by("opened", "not_within_days", 1)) == {"Quiet"}
    assert who(by("campaign_opened", "is", campaign.id)) == {"Reader"}
    assert who(by("campaign_received", "is_not", campaign.id)) == set()
    assert who(by("campaign_clicked", "is_not", campaign.id)) == {"Reader", "Quiet"}


def test_groups_join_by_all_or_any(app: Flask) -> None:
    makers.make_contact(name="A", tags="x", attributes={"plan": "pro"})
    makers.make_contact(name="B", attributes={"plan": "pro"}, subscription="none")
    makers.make_contact(name="C", tags="x")
    rules = {
        "match": "all",
        "rules": [
            by("attribute.plan", "is", "pro")["rules"][0],
            {"match": "any", "rules": [*by("tag", "has", "x")["rules"], *by("subscription", "is", "none")["rules"]]},
        ],
    }
    assert who(rules) == {"A", "B"}


def test_a_segment_has_its_rules_contacts_and_those_added_by_hand_each_once(app: Flask) -> None:
    segment = makers.make_segment(rules=by("tag", "has", "vip"))
    both = makers.make_contact(name="Both", tags="vip")
    by_hand = makers.make_contact(name="By hand")
    by_rules = makers.make_contact(name="By rules", tags="vip")
    assert add_members(segment.id, [both.id, by_hand.id, 4711], source="by hand", by="Ada") == 2
    assert add_members(segment.id, [both.id], source="by hand", by="Ada") == 0
    db.session.commit()
    assert sorted(db.session.scalars(segment_query(segment.id))) == sorted([both.id, by_hand.id, by_rules.id])
    assert count_segment(segment.id) == 3
    assert len(list_samples(segment_query(segment.id), 2)) == 2
    assert [(one.name, member is not None) for one, member in list_segments_of(by_hand.id)] == [(segment.name, True)]
    assert [(one.name, member is not None) for one, member in list_segments_of(by_rules.id)] == [(segment.name, False)]
    outer = makers.make_segment(rules=by("segment", "not_in", segment.id))
    assert count_segment(outer.id) == 0
    assert delete_members(segment.id, [by_hand.id], by="Ada") == 1
    db.session.commit()
    assert count_segment(outer.id) == 1


def test_rules_that_turn_in_a_circle_hold_for_nobody(app: Flask) -> None:
    segment = makers.make_segment()
    segment.rules = by("segment", "in", segment.id)
    db.session.commit()
    makers.make_contact()
    assert count_segment(segment.id) == 0
    assert db.session.scalars(select(Contact.id).where(segment_condition(4711))).all() == []


def test_a_segment_needs_a_name_of_its_own(app: Flask) -> None:
    first = add_segment("Friends", description="Old ones")
    assert (first.key, describe_segment(first)) == (
        "friends", "Contacts that were added by hand, by an import or by their source.",
    )  # fmt: skip
    for name in ("", "  ", "FRIENDS", "x" * 121):
        with pytest.raises(InputInvalid) as error:
            add_segment(name)
        assert "name" in error.value.fields
    assert add_segment("Friends!").key == "friends-2"
    assert add_segment("日本").key == "segment"
    changed = change_segment(first.id, name="Friends", rules=by("tag", "has", "vip"))
    assert describe_segment(changed) == "Contacts who have the tag “vip”."
    assert [one.name for one in list_segments("fri")] == ["Friends", "Friends!"]


def test_a_segment_that_is_needed_is_not_archived(app: Flask) -> None:
    segment = makers.make_segment(name="Wanted")
    campaign = makers.make_campaign(segment_id=segment.id)
    with pytest.raises(Conflict, match=campaign.name):
        archive_segment(segment.id)
    campaign.segment_id = None
    db.session.commit()
    other = makers.make_segment(name="Outer", rules=by("segment", "in", segment.id))
    with pytest.raises(Conflict, match="Outer"):
        archive_segment(segment.id)
    archive_segment(other.id)
    archive_segment(segment.id)
    assert get_segment(segment.id).archived_at is not None
    assert list_segments() == []
    assert add_segment("Wanted").id != segment.id
    with pytest.raises(NotFound):
        get_segment(4711)


def test_every_recipe_can_be_saved_as_it_is(app: Flask) -> None:
    for recipe in RECIPES:
        assert add_segment(recipe.name, rules=recipe.rules.model_dump()).rules
