"""Duplicates: which rules find which pairs, how likely, what is left alone, and what somebody said stays said."""

from __future__ import annotations

import pytest
from flask import Flask

from audience.duplicates import (
    LARGEST_GROUP,
    count_pairs,
    doubt_again,
    find_duplicates,
    find_other_of,
    find_pair,
    find_searched_at,
    keep_apart,
    list_likenesses,
    list_pairs,
    word_of,
)
from audience.merges import merge_now, undo_now
from errors import InputInvalid, NotFound
from extensions import db
from models import Contact, OtherAddress
from tests.makers import make_contact


def pairs() -> dict[tuple[str, str], tuple[list[str], int]]:
    """What is found now, by the addresses of each pair."""
    find_duplicates()
    rows, _ = list_pairs()
    return {(one.first.email, one.second.email): (sorted(one.pair.reasons), one.pair.confidence) for one in rows}


@pytest.mark.parametrize(
    ("one", "other", "reason", "confidence"),
    [
        ({"email": "ann.lee@gmail.com"}, {"email": "annlee+shop@googlemail.com"}, ["gmail"], 98),
        ({"email": "ann@firm.example"}, {"email": "ann+news@firm.example"}, ["plus"], 95),
        ({"phone": "+1 202 555 0142", "name": "Ann"}, {"phone": "+1 202 555 0142", "name": "Bo"}, ["phone"], 60),
        (
            {"phone": "+1 202 555 0142", "name": "Ann  Lee"},
            {"phone": "+1 202 555 0142", "name": "ann lee"},
            ["phone", "phone_and_name"],
            98,
        ),
        (
            {"name": "Ann Lee", "attributes": {"company": "Lee Ltd"}},
            {"name": "Ann Lee", "attributes": {"company": "lee ltd "}},
            ["company"],
            75,
        ),
        (
            {"email": "ann@firm.example", "name": "Ann Lee"},
            {"email": "alee@firm.example", "name": "Ann Lee"},
            ["domain"],
            70,
        ),
    ],
)
def test_each_rule_finds_its_pair(
    app: Flask, one: dict[str, str], other: dict[str, str], reason: list[str], confidence: int
) -> None:
    first = make_contact(**{"name": "Ann", "email": "first@one.example", **one})  # type: ignore[arg-type]  # typed by the table
    second = make_contact(**{"name": "Bo", "email": "second@two.example", **other})  # type: ignore[arg-type]  # typed by the table
    make_contact(email="stranger@three.example", name="Cleo Dean")
    assert pairs() == {(first.email, second.email): (reason, confidence)}
    assert find_other_of(first.id) == second.id


def test_who_came_with_the_others_address_is_found(app: Flask) -> None:
    one, other = make_contact(email="ann@one.example", name="A"), make_contact(email="ann@two.example", name="B")
    db.session.add(OtherAddress(contact_id=one.id, address=other.email))
    db.session.commit()
    assert pairs() == {(one.email, other.email): (["address"], 90)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"email": "ann@gmail.com", "name": "Ann Lee"}, {"email": "bo@gmail.com", "name": "Ann Lee"}),
        ({"email": "ann@firm.example", "name": "Ann"}, {"email": "a@firm.example", "name": "Ann"}),
        ({"email": "a.nn@firm.example", "name": ""}, {"email": "ann@firm.example", "name": ""}),
    ],
)
def test_strangers_are_no_pair(app: Flask, one: dict[str, str], other: dict[str, str]) -> None:
    make_contact(**one)  # type: ignore[arg-type]  # typed by the table
    make_contact(**other)  # type: ignore[arg-type]  # typed by the table
    assert pairs() == {}, "a free mail provider, one word, or dots where they mean something"


def test_a_switchboard_says_nothing(app: Flask) -> None:
    for number in range(LARGEST_GROUP + 1):
        make_contact(email=f"c{number}@firm{number}.example", name=f"N{number}", phone="+1 202 555 0142")
    assert pairs() == {}


def test_a_family_of_three_makes_pairs_with_who_may_be_written_to(app: Flask) -> None:
    asleep = make_contact(email="a@one.example", name="A", phone="+1 202 555 0142", subscription="none")
    awake = make_contact(email="b@two.example", name="B", phone="+1 202 555 0142")
    third = make_contact(email="c@three.example", name="C", phone="+1 202 555 0142", subscription="none")
    assert set(pairs()) == {(asleep.email, awake.email), (awake.email, third.email)}


def test_two_people_stay_two_whatever_is_found(app: Flask) -> None:
    one, other = make_contact(email="ann@firm.example"), make_contact(email="ann+b@firm.example")
    assert count_pairs() == 0
    assert find_searched_at() is None
    find_duplicates()
    assert find_searched_at() is not None
    keep_apart(other.id, one.id, actor="Ada")
    assert find_duplicates() == 0
    assert list_likenesses() == []
    pair = find_pair(one.id, other.id)
    assert pair is not None
    assert (pair.state, pair.decided_by, count_pairs("apart")) == ("apart", "Ada", 1)
    doubt_again(one.id, other.id)
    assert find_duplicates() == 1
    assert [one.confidence for one in list_likenesses()] == [99]


def test_a_pair_goes_when_nothing_speaks_for_it_any_more(app: Flask) -> None:
    one = make_contact(email="ann@one.example", phone="+1 202 555 0142", name="A")
    make_contact(email="bo@two.example", phone="+1 202 555 0142", name="B")
    assert find_duplicates() == 1
    db.session.get_one(Contact, one.id).phone = None
    db.session.commit()
    assert find_duplicates() == 0


def test_merged_it_is_no_pair_and_undone_it_is_one_again(app: Flask) -> None:
    one, other = make_contact(email="ann@firm.example", name=""), make_contact(email="ann+b@firm.example", name="")
    find_duplicates()
    made = merge_now(one.id, other.id, actor="Ada", user_id=None)
    assert count_pairs() == 0
    undo_now(made.id, actor="Ada", user_id=None)
    assert (count_pairs(), find_duplicates()) == (1, 1)


def test_pairs_come_page_by_page_the_likeliest_first(app: Flask) -> None:
    for number in range(5):
        make_contact(email=f"n{number}@firm{number}.example", name="")
        make_contact(email=f"n{number}+x@firm{number}.example", name="")
    make_contact(email="x@one.example", name="X", phone="+1 202 555 0142")
    make_contact(email="y@two.example", name="Y", phone="+1 202 555 0142")
    find_duplicates()
    seen, after = [], None
    while True:
        rows, after = list_pairs(after=after, limit=2)
        seen += [(one.pair.confidence, one.pair.first_id) for one in rows]
        if after is None:
            break
    assert [confidence for confidence, _ in seen] == [95] * 5 + [60]
    assert len(set(seen)) == 6


def test_likelihood_is_said_in_words() -> None:
    assert [word_of(number) for number in (99, 90, 75, 60)] == ["Very likely", "Very likely", "Likely", "Possible"]


def test_nobody_is_kept_apart_from_themselves_or_from_who_is_gone(app: Flask) -> None:
    one = make_contact()
    with pytest.raises(InputInvalid):
        keep_apart(one.id, one.id, actor="Ada")
    with pytest.raises(NotFound):
        keep_apart(one.id, 424242, actor="Ada")
