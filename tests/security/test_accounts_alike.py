"""Known and unknown accounts get the same answer (Mautic CVE-2024-47057, CVE-2025-9824)."""

from __future__ import annotations

import re

import pytest

from tests.security.house import House

KNOWN, UNKNOWN, DISABLED, WAITING = (
    "owner@house.example", "nobody@house.example", "somebody@house.example", "waiting@house.example",
)  # fmt: skip


def told(house: House, address: str, form: dict[str, str]) -> tuple[int, str, str]:
    """Status, place and words of an answer, without what differs from request to request."""
    answer = house.ask("nobody", "POST", address, data=form)
    text = answer.get_data(as_text=True)
    for value in form.values():
        text = text.replace(value, "…")
    return answer.status_code, answer.headers.get("Location", ""), re.sub(r'"[\w.-]{40,}"|[0-9a-f]{16}', "", text)


@pytest.mark.parametrize("email", [KNOWN, DISABLED, WAITING, KNOWN.upper(), f" {KNOWN} "])
def test_a_wrong_password_says_nothing_about_the_account(house: House, email: str) -> None:
    house.contents.connection.execute("UPDATE users SET state = 'disabled' WHERE email = %s", (DISABLED,))
    house.contents.connection.execute("DELETE FROM sign_in_attempts")
    wrong = {"password": "not the password at all"}
    known = told(house, "/sign-in", {"email": email, **wrong})
    assert known == told(house, "/sign-in", {"email": UNKNOWN, **wrong})
    assert known[0] == 422


def test_the_right_password_of_a_disabled_account_says_nothing_more(house: House) -> None:
    house.contents.connection.execute("UPDATE users SET state = 'disabled' WHERE email = %s", (DISABLED,))
    house.contents.connection.execute("DELETE FROM sign_in_attempts")
    right = told(house, "/sign-in", {"email": DISABLED, "password": "seven violet lanterns"})
    assert right == told(house, "/sign-in", {"email": UNKNOWN, "password": "seven violet lanterns"})


def test_throttling_comes_for_unknown_accounts_as_for_known_ones(house: House) -> None:
    house.contents.connection.execute("DELETE FROM sign_in_attempts")
    wrong = {"password": "not the password at all"}
    for email in (KNOWN, UNKNOWN):
        house.contents.connection.execute("DELETE FROM sign_in_attempts")
        statuses = [told(house, "/sign-in", {"email": email, **wrong})[0] for _ in range(6)]
        assert statuses == [422] * 5 + [429]
