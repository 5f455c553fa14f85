"""Settings › Sending as an operator uses it."""

from __future__ import annotations

from collections.abc import Callable

from flask.testing import FlaskClient

from audience.sending_rules import find_quiet_hours, is_double_opt_in
from extensions import db
from tests import makers


def test_an_operator_switches_both_rules_on(sign_in: Callable[..., FlaskClient]) -> None:
    client = sign_in("operator")
    given = {"is_double_opt_in": "1", "quiet_from": "21:00", "quiet_until": "08:00"}
    answer = client.post("/settings/sending/", data=given, follow_redirects=True)
    page = makers.soup(answer)
    assert "New contacts confirm by mail first. Nothing goes out from 21:00 to 08:00." in page.get_text(" ", strip=True)
    db.session.rollback()
    assert is_double_opt_in() and str(find_quiet_hours()) == "21:00 to 08:00"


def test_a_wrong_time_comes_back_beside_its_field(sign_in: Callable[..., FlaskClient]) -> None:
    answer = sign_in("operator").post("/settings/sending/", data={"quiet_from": "21:00", "quiet_until": ""})
    assert answer.status_code == 422
    wrong = makers.soup(answer).select_one(".field--error")
    assert wrong is not None and "Give both times" in wrong.get_text()


def test_a_marketer_does_not_enter(sign_in: Callable[..., FlaskClient]) -> None:
    assert sign_in("marketer").get("/settings/sending/").status_code == 403
