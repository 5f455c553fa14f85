"""Which passwords are taken, and that only the right one opens."""

from __future__ import annotations

import pytest

from accounts.passwords import find_password_complaint, hash_password, is_right_password


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "passwordpassword",
        "Password123456",
        "aaaaaaaaaaaaaa",
        "123456789012",
        "qwertyuiop12",
        "anna.lumen12345",
        "x" * 300,
    ],
)
def test_it_refuses_what_is_short_or_easy_to_guess(password: str) -> None:
    assert find_password_complaint(password, email="anna@lumen.example")


@pytest.mark.parametrize("password", ["seven violet lanterns", "tR0ub4dor&3xyz!", "Zürich-Himbeere-07"])
def test_it_takes_what_is_long_and_odd(password: str) -> None:
    assert find_password_complaint(password, email="anna@lumen.example") is None


def test_only_the_right_password_opens() -> None:
    stored = hash_password("seven violet lanterns")
    assert is_right_password(stored, "seven violet lanterns")
    assert not is_right_password(stored, "seven violet lantern")
    assert not is_right_password(None, "seven violet lanterns")
