"""Finding contacts: by words, by filters, page after page, counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update
from werkzeug.datastructures import MultiDict

from audience.contacts import add_to_segment
from audience.search import (
    ContactFilter,
    Count,
    count_in_time,
    count_matching,
    list_contacts,
    list_sources,
    read_filter,
)
from extensions import db
from models import Contact
from tests import makers


def found(**wanted: object) -> list[str | None]:
    return [contact.name for contact in list_contacts(ContactFilter(**wanted)).contacts]  # type: ignore[arg-type]  # by name


def test_words_are_found_by_their_beginning_in_any_order(app: Flask) -> None:
    makers.make_contact(name="Zoë Ünal", email="z.unal@acme.example.com", phone="202 555 0143")
    makers.make_contact(name="Ann Lee", attributes={"company": "Harbour Café"})
    assert found(q="ünal zo") == ["Zoë Ünal"]
    assert found(q="ZOË") == ["Zoë Ünal"]
    assert found(q="z.unal@acme") == ["Zoë Ünal"]
    assert found(q="+1202555") == ["Zoë Ünal"]
    assert found(q="harbour caf") == ["Ann Lee"]
    assert found(q="nal") == []
    assert found(q="@@@") == []


@pytest.mark.parametrize(
    "q", ["'", "\\", "a & | ! b", "a:*", "<->", "''' OR 1=1 --", "%", "\x00", "((", "a" * 500, "🙂", "ﬁ"]
)
def test_no_search_word_is_a_command(app: Flask, q: str) -> None:
    makers.make_contact()
    assert list_contacts(read_filter({"q": q})).contacts is not None


def test_filters_narrow_and_join(app: Flask) -> None:
    segment = makers.make_segment(rules={})
    one = makers.make_contact(name="One", source="Fair", tags="vip", phone="+1 202 555 0143")
    two = makers.make_contact(name="Two", source="Web", subscription="unsubscribed")
    add_to_segment(segment.id, [one.id], actor="Ada")
    db.session.execute(
        update(Contact).where(Contact.id == two.id).values(created_at=datetime.now(UTC) - timedelta(days=40))
    )
    db.session.commit()
    assert found(subscription="unsubscribed") == ["Two"]
    assert found(source="Fair") == ["One"]
    assert found(tag="vip") == ["One"]
    assert found(phone="yes") == ["One"]
    assert found(phone="no") == ["Two"]
    assert found(segment_id=segment.id) == ["One"]
    assert found(segment_id=4711) == []
    assert found(added="30") == ["One"]
    assert found(source="Fair", tag="vip", phone="no") == []
    assert list_sources() == ["Fair", "Web"]


@pytest.mark.parametrize("sort", ["newest", "oldest", "email"])
def test_pages_follow_each_other_without_gap_or_repetition(app: Flask, sort: str) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    for number in range(23):
        contact = makers.make_contact(email=f"c{number * 7 % 23:02}@example.com")
        db.session.execute(
            update(Contact).where(Contact.id == contact.id).values(created_at=at + timedelta(hours=number // 3))
        )
    db.session.commit()
    wanted = ContactFilter(sort=sort)
    pages, after = [], None
    while True:
        page = list_contacts(wanted, after=after, limit=5)
        pages.append([contact.email for contact in page.contacts])
        if page.after is None:
            break
        after = page.after
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    everybody = [email for page in pages for email in page]
    assert len(set(everybody)) == 23
    if sort == "email":
        assert everybody == sorted(everybody)
    back = list_contacts(wanted, after=None, before=page.before, limit=5)
    assert [contact.email for contact in back.contacts] == pages[3]
    assert (back.after is not None, back.before is not None) == (True, True)
    first = list_contacts(wanted, before=list_contacts(wanted, after=None, limit=5).after, limit=5)
    assert (first.before, first.after is not None) == (None, True)


def test_a_place_that_is_gone_leads_to_the_first_page(app: Flask) -> None:
    contact = makers.make_contact()
    assert [one.id for one in list_contacts(ContactFilter(), after=4711).contacts] == [contact.id]


def test_what_the_address_says_wrongly_is_left_out(app: Flask) -> None:
    wanted = read_filter(
        MultiDict({"subscription": "x", "segment": "1 OR 1", "added": "-3", "sort": "password", "phone": "?"})
    )
    assert wanted == ContactFilter()
    assert wanted.is_empty
    full = read_filter(
        {"q": "a", "subscription": "none", "segment": "3", "added": "7", "sort": "email", "phone": "no", "tag": "x"}
    )
    assert read_filter(full.as_arguments()) == full


def test_counts_are_exact_until_they_would_take_too_long(app: Flask) -> None:
    makers.make_contact()
    assert count_matching(ContactFilter()) == Count(1)
    slow = select(func.pg_sleep(0.02)).select_from(func.generate_series(1, 100).table_valued())
    late = count_in_time(slow, within_ms=50)
    assert not late.is_exact
    assert str(late).startswith("about ")
    assert db.session.scalar(text("SHOW statement_timeout")) == "0"
    assert str(Count(12345)) == "12,345"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(
    arguments=st.dictionaries(
        st.sampled_from(["q", "subscription", "segment", "source", "tag", "added", "phone", "sort"]),
        st.text(max_size=30),
    )
)
def test_any_address_lists_and_counts(app: Flask, arguments: dict[str, str]) -> None:
    wanted = read_filter(arguments)
    assert list_contacts(wanted).contacts == []
    assert count_matching(wanted).number == 0
