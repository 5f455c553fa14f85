"""Settings › Lead scores, and where scores are seen: the contact's page, the list, an order."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from audience.scores import RULES, current_points, find_scoring
from extensions import db
from tests.makers import make_contact, soup

USUAL = {rule.key: str(rule.points) for rule in RULES} | {"hot_from": "60", "warm_from": "35"}


def test_scores_are_turned_on_seen_and_turned_off(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    contact = make_contact(email="ann@firm.example", name="Ann", phone="+1 202 555 0142")
    client = sign_in("marketer")
    assert "Off: no contact has a score" in client.get("/settings/lead-scores/").get_data(as_text=True)
    assert "Lead score" not in client.get(f"/contacts/{contact.id}").get_data(as_text=True)
    client.post("/settings/lead-scores/", data={**USUAL, "phone": "40"})
    page = soup(client.get(f"/contacts/{contact.id}"))
    score = page.select_one(".score__points")
    assert score is not None
    assert score.text == "50"
    assert "Has a phone number" in page.select_one(".score__reasons").text  # type: ignore[union-attr]  # the score is there
    listed = client.get("/contacts/?sort=score").get_data(as_text=True)
    assert "Lead score" in listed
    assert "warm" in listed
    client.post("/settings/lead-scores/", data={"to": "off"})
    db.session.rollback()
    assert find_scoring() is None
    assert client.get("/contacts/?sort=score").status_code == 200


def test_points_that_are_none_are_refused_beside_the_field(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    client = sign_in("marketer")
    for wrong in ({"name": "many"}, {"name": "1000"}, {"hot_from": "10"}, {"name": "١"}, {"opened": ""}):
        answer = client.post("/settings/lead-scores/", data={**USUAL, **wrong})
        assert answer.status_code == 422, wrong
    assert find_scoring() is None
    assert current_points().of_rule["name"] == 5


def test_who_only_reads_sees_the_rules(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    client = sign_in("viewer")
    assert client.get("/settings/lead-scores/").status_code == 200
    assert client.post("/settings/lead-scores/", data=USUAL).status_code == 403
