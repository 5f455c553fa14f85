"""The pages of duplicates: found, compared, merged with a choice, kept apart, undone; who may."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from audience.duplicates import find_duplicates
from extensions import db
from models import Contact
from tests.makers import make_contact, soup


@pytest.fixture
def pair(app: Flask) -> tuple[int, int]:
    one = make_contact(email="ann@firm.example", name="Ann Lee", source="Fair")
    other = make_contact(email="ann+tea@firm.example", name="Ann B. Lee", phone="+1 202 555 0142", source="Fair")
    return one.id, other.id


def test_a_first_look_finds_the_pair_and_says_why(pair: tuple[int, int], sign_in: Callable[..., FlaskClient]) -> None:
    client = sign_in("marketer")
    assert "Some people are in here twice" in client.get("/contacts/duplicates/").get_data(as_text=True)
    answer = client.post("/contacts/duplicates/search", follow_redirects=True)
    page = soup(answer)
    row = page.select_one("#pairs tbody tr")
    assert row is not None
    assert "ann+tea@firm.example" in row.text
    assert "the same address but for what follows the plus sign" in row.text
    assert "Very likely" in row.text
    assert "One pair of contacts may be one person" in page.text


def test_both_stand_side_by_side_and_are_merged_with_a_choice_and_undone(
    pair: tuple[int, int], sign_in: Callable[..., FlaskClient]
) -> None:
    client = sign_in("marketer")
    find_duplicates()
    address = f"/contacts/duplicates/{pair[0]}/{pair[1]}"
    page = soup(client.get(address))
    assert [side.h2.text for side in page.select(".side") if side.h2] == ["Ann Lee", "Ann B. Lee"]
    assert page.select_one("select[name='choice.name']") is not None
    swapped = soup(client.get(f"{address}?keep={pair[1]}"))
    assert [side.h2.text for side in swapped.select(".side") if side.h2] == ["Ann B. Lee", "Ann Lee"]
    answer = client.post(address, data={"keep": pair[0], "choice.name": "gone"})
    assert answer.headers["Location"] == f"/contacts/{pair[0]}"
    assert client.get(f"/contacts/{pair[1]}").headers["Location"] == f"/contacts/{pair[0]}"
    profile = client.get(f"/contacts/{pair[0]}").get_data(as_text=True)
    assert "Ann B. Lee" in profile
    assert "Made of 2 contacts" in profile
    merged = soup(client.get("/contacts/duplicates/merged"))
    form = merged.select_one("#merges form")
    assert form is not None
    client.post(str(form["action"]))
    db.session.rollback()
    assert {db.session.get_one(Contact, one).name for one in pair} == {"Ann Lee", "Ann B. Lee"}
    assert "Undone" in client.get("/contacts/duplicates/merged").get_data(as_text=True)


def test_two_people_are_kept_apart_and_looked_at_again(
    pair: tuple[int, int], sign_in: Callable[..., FlaskClient]
) -> None:
    client = sign_in("marketer")
    find_duplicates()
    address = f"/contacts/duplicates/{pair[0]}/{pair[1]}/apart"
    assert "No duplicates" in client.post(address, follow_redirects=True).get_data(as_text=True)
    assert "Person" in client.get("/contacts/duplicates/?view=apart").get_data(as_text=True)
    client.post(address, data={"back": "1"})
    assert soup(client.get("/contacts/duplicates/")).select_one("#pairs") is not None


def test_the_contact_says_that_it_may_be_in_here_twice(
    pair: tuple[int, int], sign_in: Callable[..., FlaskClient]
) -> None:
    find_duplicates()
    page = sign_in("viewer").get(f"/contacts/{pair[0]}").get_data(as_text=True)
    assert f"/contacts/duplicates/{pair[0]}/{pair[1]}" in page


def test_who_only_reads_sees_and_changes_nothing(pair: tuple[int, int], sign_in: Callable[..., FlaskClient]) -> None:
    find_duplicates()
    client = sign_in("viewer")
    page = soup(client.get(f"/contacts/duplicates/{pair[0]}/{pair[1]}"))
    assert page.select_one("button:-soup-contains('Merge them')") is None
    assert client.post(f"/contacts/duplicates/{pair[0]}/{pair[1]}", data={"keep": pair[0]}).status_code == 403


@pytest.mark.parametrize("path", ["/contacts/duplicates/1/1", "/contacts/duplicates/1/424242"])
def test_who_is_gone_is_said(app: Flask, sign_in: Callable[..., FlaskClient], path: str) -> None:
    make_contact()
    client = sign_in("marketer")
    assert client.get(path).status_code == 404
    assert client.post(path, data={"keep": "1"}).status_code in (404, 422)


@pytest.mark.parametrize("after", ["x", "1-2", "500-1-1", "95-a-b", "95-1-1", "-1-1-1", "9-9-9-9"])
def test_a_place_that_is_no_place_is_the_first_page(
    pair: tuple[int, int], sign_in: Callable[..., FlaskClient], after: str
) -> None:
    find_duplicates()
    assert sign_in("viewer").get(f"/contacts/duplicates/?after={after}").status_code == 200
