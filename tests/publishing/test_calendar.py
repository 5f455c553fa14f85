"""The calendar: what stands on which day, in the house's zone, and what has no day yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask

from campaigns.drafting import change_schedule
from errors import InputInvalid
from publishing.calendar import KINDS, list_items, list_unplanned, month_span, week_span
from publishing.entries import add_entry, change_entry, move_entry
from publishing.posts import PostDraft, add_post, mark_posted, move_post, plan_post
from tests.makers import make_campaign

Make = Callable[..., Flask]


def test_a_month_is_shown_in_whole_weeks_from_monday() -> None:
    span = month_span(date(2026, 11, 23))
    assert (span.first, span.last) == (date(2026, 10, 26), date(2026, 12, 6))
    assert (span.before, span.after) == (date(2026, 10, 1), date(2026, 12, 1))
    assert week_span(date(2026, 11, 29)).first == date(2026, 11, 23)


def test_everything_stands_on_the_day_that_it_has_in_the_houses_zone(make_app: Make, empty_database: None) -> None:
    with make_app(TIMEZONE="Pacific/Auckland").app_context():
        at = datetime.now(UTC).replace(hour=13, minute=0, second=0, microsecond=0) + timedelta(days=2)
        post = add_post(PostDraft("x", "Tea"), made_by="Ada", user_id=None)
        plan_post(post.id, at, user_id=None)
        change_schedule(make_campaign(name="Letter").id, at=at, timezone="UTC")
        day = at.date() + timedelta(days=1)
        items = list_items(week_span(day), list(KINDS))[day]
        assert [(item.kind, item.title) for item in items if item.kind in ("post", "campaign")] == [
            ("post", "Tea"), ("campaign", "Letter"),
        ]  # fmt: skip
        assert items[0].at is not None
        assert items[0].at.hour in (1, 2)


def test_only_the_chosen_kinds_are_shown(app: Flask) -> None:
    day = datetime.now(UTC).date() + timedelta(days=3)
    add_entry("Tasting", starts_on=day, made_by="Ada", user_id=None)
    assert list_items(week_span(day), ["post"])[day] == []
    assert [item.title for item in list_items(week_span(day), ["entry"])[day]] == ["Tasting"]


def test_a_date_of_several_days_stands_on_each_and_moves_as_one(app: Flask) -> None:
    day = date(2026, 11, 24)
    entry = add_entry("Harvest", starts_on=day, ends_on=day + timedelta(days=2), made_by="Ada", user_id=None)
    entry_id = entry.id
    days = list_items(week_span(day), ["entry"])
    assert [one for one, items in days.items() if items] == [day + timedelta(days=n) for n in range(3)]
    moved = move_entry(entry_id, date(2027, 1, 1))
    assert (moved.starts_on, moved.ends_on) == (date(2027, 1, 1), date(2027, 1, 3))
    with pytest.raises(InputInvalid, match="after the first"):
        change_entry(entry_id, "Harvest", starts_on=day, ends_on=day - timedelta(days=1), detail="")


def test_drafts_without_an_hour_wait_beside_and_those_with_one_are_no_promise(app: Flask) -> None:
    waiting = add_post(PostDraft("x", "No hour"), made_by="Ada", user_id=None)
    pencilled = add_post(PostDraft("x", "An hour in mind"), made_by="Ada", user_id=None)
    waiting_id, at = waiting.id, datetime.now(UTC) + timedelta(hours=1)
    move_post(pencilled.id, at, user_id=None)
    assert [item.id for item in list_unplanned(["post"])] == [waiting_id]
    (item,) = list_items(week_span(at.date()), ["post"])[at.date()]
    assert (item.title, item.is_firm, item.can_move) == ("An hour in mind", False, True)


def test_what_is_published_stands_where_it_was_published_and_does_not_move(app: Flask) -> None:
    post = add_post(PostDraft("x", "Done"), made_by="Ada", user_id=None)
    move_post(post.id, datetime.now(UTC) + timedelta(days=30), user_id=None)
    mark_posted(post.id, url="", user_id=None)
    today = datetime.now(UTC).date()
    (item,) = list_items(week_span(today), ["post"])[today]
    assert (item.state, item.can_move) == ("published", False)
