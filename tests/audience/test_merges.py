"""Merging contacts: nothing is lost, a no stays a no, sums still balance, and undo brings back both as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text

from audience.arrivals import Arrival, add_contact_arrival
from audience.consent import add_suppression, find_suppression, grant_consent, withdraw_consent
from audience.contacts import change_tags, find_contact_by_email, list_other_addresses
from audience.erasure import erase_contact
from audience.merge_plans import plan_merge, suggest_kept
from audience.merge_rows import COLLIDING, LEFT, MOVED
from audience.merges import (
    find_kept_emails,
    find_survivor_id,
    list_merges,
    list_merges_of,
    merge_now,
    preview_merge,
    undo_now,
)
from audience.scores import Points, change_scoring, find_points
from audience.segments import add_members
from audience.timeline import list_messages_of
from campaigns.tallies import add_to_tally, count_states
from errors import Conflict, InputInvalid, NotFound
from extensions import Base, db
from models import (
    SUBSCRIPTIONS,
    Confirmation,
    Contact,
    ContactMerge,
    DuplicatePair,
    Message,
    PersonTask,
    SideEffect,
    TrackingEvent,
)
from tests.makers import make_campaign, make_contact, make_segment

_numbers = count(1)
TABLES = {**MOVED, **COLLIDING}
# What tells of the merge itself, and stays.
TRACES = "ARRAY['merged', 'merge', 'merge_undone']"


def merge(kept: Contact, gone: Contact, **choices: str) -> ContactMerge:
    return merge_now(kept.id, gone.id, choices=choices, actor="Ada", user_id=None)


def undo(made: ContactMerge) -> None:
    undo_now(made.id, actor="Ada", user_id=None)


def state_of(*contact_ids: int) -> dict[str, Any]:
    """Everything that the database holds of contacts, but for what tells of merges and what is computed."""
    found: dict[str, Any] = {}
    ids = {"ids": list(contact_ids)}
    for table in ("contacts", *TABLES):
        column = "id" if table == "contacts" else "contact_id"
        but = {
            "contact_events": f"AND NOT ARRAY[kind, detail ->> 'method'] && {TRACES}",
            "consent_entries": f"AND method <> ALL ({TRACES})",
            "contact_merges": "AND false",
        }.get(table, "")
        rows = db.session.execute(
            text(f"SELECT to_jsonb(t) FROM {table} AS t WHERE {column} = ANY (:ids) {but}"), ids
        ).scalars()
        found[table] = sorted(json.dumps(row, sort_keys=True) for row in rows)
    pairs = text("SELECT to_jsonb(t) FROM duplicate_pairs AS t WHERE first_id = ANY (:ids) OR second_id = ANY (:ids)")
    found["pairs"] = sorted(json.dumps(row, sort_keys=True) for row in db.session.execute(pairs, ids).scalars())
    return found


def send(contact: Contact, campaign_id: int, state: str = "sent") -> Message:
    """A message of a campaign in the ledger, counted in its tally."""
    message = Message(
        campaign_id=campaign_id,
        contact_id=contact.id,
        address=contact.email,
        state=state,
        next_try_at=datetime.now(UTC) if state in ("pending", "deferred") else None,
    )
    db.session.add(message)
    db.session.flush()
    db.session.add(
        TrackingEvent(campaign_id=campaign_id, message_id=message.id, contact_id=contact.id, kind="open", actor="human")
    )
    add_to_tally(campaign_id, {"planned": 1, state: 1})
    db.session.commit()
    return message


def make_sending_campaign() -> int:
    campaign = make_campaign()
    campaign.state, campaign.launched_at = "sending", datetime.now(UTC)
    db.session.commit()
    return campaign.id


def expect_balance(campaign_id: int) -> None:
    """The tally adds up, and says what the ledger says."""
    counted = count_states(campaign_id)
    assert counted.is_balanced
    rows = db.session.execute(
        text("SELECT state, count(*) FROM messages WHERE campaign_id = :id GROUP BY state"), {"id": campaign_id}
    )
    ledger = {str(row[0]): int(row[1]) for row in rows}
    assert {state: getattr(counted, state) for state in ledger} == ledger
    assert counted.planned == sum(ledger.values())


def test_every_table_that_speaks_of_contacts_knows_what_a_merge_does_to_it() -> None:
    linked = {
        key.parent.table.name
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == "contacts"
    }
    assert linked == {*MOVED, *COLLIDING, *LEFT}, "say in audience/merge_rows.py what becomes of its rows"


# ── What wins ──


def test_empty_fields_are_filled_and_the_kept_ones_stay(app: Flask) -> None:
    kept = make_contact(email="ann@example.com", name="Ann Lee", tags="vip, tea", attributes={"city": "Rome"})
    gone = make_contact(
        email="ann@example.org",
        name="A. Lee",
        phone="+1 202 555 0142",
        tags="Tea, wholesale",
        attributes={"city": "Paris", "company": "Lee Ltd"},
    )
    merge(kept, gone)
    one = db.session.get_one(Contact, kept.id)
    assert (one.email, one.name, one.phone) == ("ann@example.com", "Ann Lee", "+12025550142")
    assert one.attributes == {"city": "Rome", "company": "Lee Ltd", "tags": ["vip", "tea", "wholesale"]}
    assert list_other_addresses(kept.id) == ["ann@example.org"]


def test_a_person_may_choose_the_others_value(app: Flask) -> None:
    kept = make_contact(name="A. Lee", attributes={"city": "Rome"})
    gone = make_contact(name="Ann Lee", attributes={"city": "Paris"})
    merge(kept, gone, **{"name": "gone", "attribute.city": "gone", "phone": "gone", "email": "gone"})
    one = db.session.get_one(Contact, kept.id)
    assert (one.name, one.attributes["city"], one.phone) == ("Ann Lee", "Paris", None)
    assert one.email == kept.email, "the address is chosen by keeping the other contact"


def test_the_first_touch_is_that_of_who_was_there_first(app: Flask) -> None:
    kept, gone = make_contact(source="Fair"), make_contact(source="Website form")
    gone.created_at = datetime.now(UTC) - timedelta(days=400)
    db.session.commit()
    earlier = gone.created_at
    merge(kept, gone)
    one = db.session.get_one(Contact, kept.id)
    assert (one.source, one.created_at) == ("Website form", earlier)


def test_the_preview_says_what_wins_and_why_and_changes_nothing(app: Flask) -> None:
    kept = make_contact(email="ann@example.com", name="Ann Lee")
    gone = make_contact(email="ann@example.org", name="A. Lee", subscription="unsubscribed")
    before = state_of(kept.id, gone.id)
    plan = preview_merge(kept.id, gone.id)
    name = next(field for field in plan.fields if field.key == "name")
    assert (name.kept, name.gone, name.result, name.wins, name.has_choice) == (
        "Ann Lee",
        "A. Lee",
        "Ann Lee",
        "kept",
        True,
    )
    assert plan.subscription == "unsubscribed"
    assert "a no of either one holds for both" in plan.why_subscription
    assert plan.notes == ["ann@example.com will not be written to any more, for the other contact has refused."]
    assert all(field.why for field in plan.fields if field.result)
    assert state_of(kept.id, gone.id) == before


def test_who_may_be_written_to_is_kept_and_then_who_did_something_last(app: Flask) -> None:
    asleep, awake = make_contact(), make_contact()
    gone = make_contact(subscription="unsubscribed")
    awake.opened_at = gone.clicked_at = datetime.now(UTC)
    db.session.commit()
    assert suggest_kept(asleep, awake) is awake
    assert suggest_kept(asleep, gone) is asleep


# ── Consent ──

NO = ("unsubscribed", "complained")


@pytest.mark.parametrize("kept_state", SUBSCRIPTIONS)
@pytest.mark.parametrize("gone_state", SUBSCRIPTIONS)
def test_the_strictest_wins_and_a_yes_does_not_travel(app: Flask, kept_state: str, gone_state: str) -> None:
    kept, gone = make_contact(subscription="none"), make_contact(subscription="none")
    kept.subscription, gone.subscription = kept_state, gone_state
    plan = plan_merge(kept, gone)
    said = [state for state in (kept_state, gone_state) if state in NO]
    if said:
        assert plan.subscription == max(said, key=NO.index)
    else:
        assert plan.subscription == kept_state, "a bounce and a yes are of an address"
    db.session.rollback()


def test_a_suppressed_address_is_a_no_of_the_person(app: Flask) -> None:
    kept, gone = make_contact(), make_contact(subscription="none")
    add_suppression(gone.email, "complaint")
    db.session.commit()
    merge(kept, gone)
    assert db.session.get_one(Contact, kept.id).subscription == "complained"
    assert find_suppression(gone.email) is not None


def test_a_no_since_the_merge_holds_for_both_after_undo(app: Flask) -> None:
    kept, gone = make_contact(), make_contact()
    made = merge(kept, gone)
    withdraw_consent(kept.id, method="one_click", state="unsubscribed")
    db.session.commit()
    undo(made)
    assert [db.session.get_one(Contact, one.id).subscription for one in (kept, gone)] == ["unsubscribed"] * 2


def test_a_no_said_twice_is_not_taken_back_by_undo(app: Flask) -> None:
    kept, gone = make_contact(), make_contact(subscription="unsubscribed")
    made = merge(kept, gone)
    withdraw_consent(kept.id, method="one_click", state="unsubscribed")
    db.session.commit()
    undo(made)
    assert db.session.get_one(Contact, kept.id).subscription == "unsubscribed"


def test_a_yes_since_the_merge_stays_with_whom_it_was_said_to(app: Flask) -> None:
    kept, gone = make_contact(), make_contact(subscription="unsubscribed")
    made = merge(kept, gone)
    grant_consent(kept.id, method="by_hand", actor="Ada", wording="Asked at the counter.")
    db.session.commit()
    undo(made)
    assert [db.session.get_one(Contact, one.id).subscription for one in (kept, gone)] == ["subscribed", "unsubscribed"]


# ── The ledger ──


def test_sums_balance_after_a_merge_and_after_undo(app: Flask) -> None:
    kept, gone = make_contact(), make_contact()
    both, one = make_sending_campaign(), make_sending_campaign()
    send(kept, both)
    waiting, alone = send(gone, both, "pending"), send(gone, one, "deferred")
    before = state_of(kept.id, gone.id)
    made = merge(kept, gone)
    for campaign_id in (both, one):
        expect_balance(campaign_id)
    db.session.expire_all()
    assert (waiting.state, waiting.reason, waiting.contact_id) == ("suppressed", "merged", kept.id)
    assert (alone.state, alone.address, alone.contact_id) == ("deferred", kept.email, kept.id)
    assert len(list_messages_of(kept.id)) == 3
    undo(made)
    for campaign_id in (both, one):
        expect_balance(campaign_id)
    assert state_of(kept.id, gone.id) == before


def test_undo_wakes_no_message_of_a_campaign_that_is_over(app: Flask) -> None:
    kept, gone = make_contact(), make_contact()
    campaign_id = make_sending_campaign()
    send(kept, campaign_id)
    waiting = send(gone, campaign_id, "pending")
    made = merge(kept, gone)
    db.session.execute(text("UPDATE campaigns SET state = 'finished'"))
    db.session.commit()
    undo(made)
    db.session.expire_all()
    assert (waiting.state, waiting.contact_id) == ("suppressed", gone.id)
    expect_balance(campaign_id)


def test_nobody_is_welcomed_twice(app: Flask) -> None:
    kept, gone = make_contact(), make_contact()
    db.session.add(SideEffect(key=f"welcome:{gone.id}:7", contact_id=gone.id))
    db.session.commit()
    before = state_of(kept.id, gone.id)
    made = merge(kept, gone)
    assert db.session.get(SideEffect, f"welcome:{kept.id}:7") is not None
    undo(made)
    assert state_of(kept.id, gone.id) == before


# ── Undo brings both back ──

NAMES = st.sampled_from([None, "Ann Lee", "A. Lee"])
SIDES = st.fixed_dictionaries(
    {
        "name": NAMES,
        "phone": st.sampled_from([None, "+12025550142", "+12025550143"]),
        "source": st.sampled_from([None, "Fair", "Website form"]),
        "subscription": st.sampled_from(SUBSCRIPTIONS),
        "attributes": st.dictionaries(
            st.sampled_from(["city", "company", "Größe"]), st.sampled_from(["Rome", "Paris", "日本"]), max_size=3
        ),
        "tags": st.lists(st.sampled_from(["vip", "tea", "Wholesale"]), unique=True, max_size=3),
        "days": st.integers(0, 500),
        "is_suppressed": st.booleans(),
        "segments": st.sets(st.integers(0, 2), max_size=3),
        "messages": st.dictionaries(
            st.integers(0, 2), st.sampled_from(["sent", "pending", "deferred", "failed", "unknown"]), max_size=3
        ),
        "others": st.sets(st.sampled_from(["x@example.com", "y@example.com"]), max_size=2),
        "is_asked": st.booleans(),
        "is_apart": st.booleans(),
        "has_task": st.booleans(),
    }
)


def build(side: dict[str, Any], segments: list[int], campaigns: list[int], third: int) -> Contact:
    """A contact as drawn, with all that can hang on one."""
    email = f"drawn{next(_numbers)}@example.com"
    outcome = add_contact_arrival(
        db.session(),
        Arrival(email=email, method="webhook", source=side["source"], other_emails=sorted(side["others"])),
    )
    contact = db.session.get_one(Contact, outcome.contact_id)
    for name in ("name", "phone", "source", "subscription"):
        setattr(contact, name, side[name])
    contact.attributes = {**side["attributes"], **({"tags": side["tags"]} if side["tags"] else {})}
    contact.created_at = datetime.now(UTC) - timedelta(days=side["days"])
    contact.opened_at = contact.created_at if side["days"] % 2 else None
    if side["is_suppressed"]:
        add_suppression(email, "unsubscribed")
    for number in side["segments"]:
        add_members(segments[number], [contact.id], source="by hand", by="Ada")
    if side["is_asked"]:
        db.session.add(Confirmation(contact_id=contact.id, attempts=side["days"] % 3))
    if side["has_task"]:
        db.session.add(PersonTask(title="Call", contact_id=contact.id, made_by="Ada"))
    if side["is_apart"]:
        pair = sorted([contact.id, third])
        db.session.add(
            DuplicatePair(first_id=pair[0], second_id=pair[1], reasons=["phone"], confidence=60, state="apart")
        )
    db.session.commit()
    for number, state in side["messages"].items():
        send(contact, campaigns[number], state)
    return contact


@pytest.fixture
def ground(app: Flask) -> Callable[[], tuple[list[int], list[int], int]]:
    segments = [make_segment(rules={}).id for _ in range(3)]
    campaigns = [make_sending_campaign() for _ in range(3)]
    third = make_contact().id
    return lambda: (segments, campaigns, third)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=SIDES, other=SIDES, choices=st.dictionaries(st.sampled_from(["name", "phone", "source"]), st.just("gone")))
def test_undo_brings_both_back_exactly(
    ground: Callable[[], tuple[list[int], list[int], int]],
    one: dict[str, Any],
    other: dict[str, Any],
    choices: dict[str, str],
) -> None:
    segments, campaigns, third = ground()
    kept, gone = build(one, segments, campaigns, third), build(other, segments, campaigns, third)
    kept_id, gone_id = kept.id, gone.id
    before = state_of(kept_id, gone_id)
    lines = {table: len(rows) for table, rows in before.items()}
    made = merge(kept, gone, **choices)
    after = state_of(kept_id, gone_id)
    for table in ("contact_events", "consent_entries", "messages", "tracking_events", "person_tasks"):
        assert len(after[table]) == lines[table], f"{table}: every row moved"
    refused = {one["subscription"], other["subscription"]} & {"unsubscribed", "complained"}
    if refused or one["is_suppressed"] or other["is_suppressed"]:
        assert db.session.get_one(Contact, kept_id).subscription in ("unsubscribed", "complained")
    for campaign_id in campaigns:
        expect_balance(campaign_id)
    undo(made)
    assert state_of(kept_id, gone_id) == before
    for campaign_id in campaigns:
        expect_balance(campaign_id)
    kept_record = db.session.get_one(ContactMerge, made.id).kept
    assert kept_record == {}, "what is undone keeps nothing of anybody"


def test_what_was_changed_since_stays(app: Flask) -> None:
    kept = make_contact(name="", tags="vip")
    gone = make_contact(name="Ann Lee", phone="+1 202 555 0142", tags="tea")
    made = merge(kept, gone)
    db.session.get_one(Contact, kept.id).phone = "+12025550199"
    change_tags([kept.id], "new", actor="Ada")
    undo(made)
    one = db.session.get_one(Contact, kept.id)
    assert (one.name, one.phone, one.attributes["tags"]) == (None, "+12025550199", ["vip", "new"])


# ── Later ──


def test_who_arrives_with_the_merged_address_is_the_kept_contact(app: Flask) -> None:
    kept, gone = make_contact(email="ann@example.com", name=""), make_contact(email="ann+tea@example.com", name="")
    gone_email = gone.email
    made = merge(kept, gone)
    arrival = Arrival(email=gone_email, method="webhook", name="Ann Lee", consent="subscribed", receipt="r-1")
    outcome = add_contact_arrival(db.session(), arrival)
    db.session.commit()
    assert (outcome.contact_id, outcome.status, outcome.answer["email"]) == (kept.id, "updated", "ann@example.com")
    assert find_contact_by_email(gone_email) is kept
    assert find_kept_emails([gone_email, "else@example.com"]) == {gone_email: "ann@example.com"}
    undo(made)
    again = add_contact_arrival(db.session(), Arrival(email=gone_email, method="webhook"))
    db.session.commit()
    assert again.contact_id == gone.id
    assert db.session.get_one(Contact, kept.id).name == "Ann Lee", "what arrived since stays"


def test_a_no_survives_a_new_arrival_with_the_merged_address(app: Flask) -> None:
    kept, gone = make_contact(), make_contact(subscription="unsubscribed")
    gone_email = gone.email
    merge(kept, gone)
    outcome = add_contact_arrival(db.session(), Arrival(email=gone_email, method="webhook"))
    db.session.commit()
    assert outcome.answer["subscription"] == "unsubscribed"
    assert "not_resubscribed" in outcome.warnings


def test_merges_are_undone_in_the_order_in_which_they_came(app: Flask) -> None:
    contacts = [make_contact() for _ in range(3)]
    ids = [contact.id for contact in contacts]
    before = state_of(*ids)
    first = merge(contacts[1], contacts[2])
    second = merge(contacts[0], contacts[1])
    assert find_survivor_id(ids[2]) == find_survivor_id(ids[1]) == ids[0]
    assert [one.id for one in list_merges_of(ids[0])] == [second.id, first.id]
    with pytest.raises(Conflict, match="Undo the later merge first"):
        undo(first)
    db.session.rollback()
    undo(second)
    undo(first)
    assert state_of(*ids) == before
    assert find_survivor_id(ids[2]) is None
    with pytest.raises(Conflict, match="undone already"):
        undo(first)


def test_an_address_that_somebody_has_taken_since_is_said(app: Flask) -> None:
    kept, gone = make_contact(), make_contact()
    address = gone.email
    made = merge(kept, gone)
    db.session.execute(text("UPDATE contacts SET email = :email WHERE id = :id"), {"email": address, "id": kept.id})
    db.session.commit()
    with pytest.raises(Conflict, match="has the address"):
        undo(made)


def test_two_who_are_one_already_and_who_is_gone_are_said(app: Flask) -> None:
    kept = make_contact()
    with pytest.raises(InputInvalid):
        merge_now(kept.id, kept.id, actor="Ada", user_id=None)
    with pytest.raises(NotFound):
        merge_now(kept.id, 424242, actor="Ada", user_id=None)
    with pytest.raises(NotFound):
        undo_now(424242, actor="Ada", user_id=None)


def test_a_segment_that_is_gone_is_not_missed_by_undo(app: Flask) -> None:
    kept, gone = make_contact(), make_contact()
    segment_id = make_segment(rules={}).id
    add_members(segment_id, [kept.id, gone.id], source="by hand", by="Ada")
    db.session.commit()
    made = merge(kept, gone)
    db.session.execute(text("DELETE FROM segments WHERE id = :id"), {"id": segment_id})
    db.session.commit()
    undo(made)
    assert db.session.get(Contact, gone.id) is not None


def test_erasing_takes_with_it_what_merges_keep(app: Flask, count_rows: Callable[[str], int]) -> None:
    kept = make_contact(email="ann@example.com")
    gone = make_contact(email="secret@example.org", name="Secret Name")
    gone_email = gone.email
    merge(kept, gone)
    erase_contact(kept.id, actor="Ada", user_id=None, peer=None)
    assert (count_rows("contact_merges"), count_rows("merged_addresses"), count_rows("other_addresses")) == (0, 0, 0)
    for address in ("ann@example.com", gone_email):
        assert find_suppression(address) is not None, "nobody writes to either address again"
    tables = [table.name for table in Base.metadata.sorted_tables]
    found = [
        table
        for table in tables
        for row in db.session.execute(text(f"SELECT to_jsonb(t)::text FROM {table} AS t")).scalars()
        if "secret@" in row or "Secret Name" in row
    ]
    assert found == []


def test_erasing_keeps_the_sums_of_campaigns_that_still_send(app: Flask) -> None:
    contact = make_contact()
    campaign_id = make_sending_campaign()
    send(contact, campaign_id, "pending")
    erase_contact(contact.id, actor="Ada", user_id=None, peer=None)
    expect_balance(campaign_id)


def test_scores_follow_a_merge(app: Flask) -> None:
    kept, gone = make_contact(email="a@gmail.com", name=""), make_contact(email="b@gmail.com", name="Ann")
    change_scoring(Points(), actor="Ada")
    made = merge(kept, gone)
    assert find_points([kept.id, gone.id]) == {kept.id: 5}
    undo(made)
    assert find_points([kept.id, gone.id]) == {kept.id: 0, gone.id: 5}


def test_a_pair_that_is_two_people_stays_so_for_whoever_is_kept(app: Flask) -> None:
    kept, gone, third = (make_contact() for _ in range(3))
    pair = DuplicatePair(first_id=gone.id, second_id=third.id, reasons=["phone"], confidence=60, state="apart")
    db.session.add(pair)
    db.session.commit()
    made = merge(kept, gone)
    found = db.session.scalars(select(DuplicatePair)).one()
    assert (found.first_id, found.second_id, found.state) == (kept.id, third.id, "apart")
    undo(made)
    db.session.expire_all()
    found = db.session.scalars(select(DuplicatePair)).one()
    assert (found.first_id, found.second_id) == (gone.id, third.id)
    db.session.execute(delete(DuplicatePair))


def test_merges_are_listed_the_newest_first(app: Flask) -> None:
    made = [merge(make_contact(), make_contact()) for _ in range(3)]
    assert [one.id for one in list_merges()] == [one.id for one in reversed(made)]
    assert [one.id for one in list_merges(before=made[2].id, limit=1)] == [made[1].id]
