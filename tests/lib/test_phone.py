"""Phone numbers come out as E.164 where they are valid, otherwise as they came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.phone import Phone, read_phone


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("(202) 555-0143", "+12025550143"),
        ("202.555.0143", "+12025550143"),
        (2025550143, "+12025550143"),
        (2025550143.0, "+12025550143"),
        ("1.2025550143E+10", "+12025550143"),
        ("12025550143.0", "+12025550143"),
        ("0012025550143", "+12025550143"),
        ("00 44 20 7946 0958", "+442079460958"),
        ("447911123456", "+447911123456"),
        ("+44 (0)7911 123456", "+447911123456"),
        ("tel:+12025550143", "+12025550143"),
        ("'+12025550143", "+12025550143"),
        ("202-555-0143 / 202-555-0199", "+12025550143"),
        ("２０２５５５０１４３", "+12025550143"),
        ("call me", None),
        ("555-0143", None),
        ("5555550143", None),
    ],
)
def test_it_reads(value: Any, expected: str | None) -> None:
    phone = read_phone(value, "US")
    assert phone is not None
    assert phone.e164 == expected


@pytest.mark.parametrize("value", ["", "  ", "-", None, True, float("nan"), float("inf"), {}, []])
def test_nothing_said_is_no_phone(value: Any) -> None:
    assert read_phone(value, "US") is None


def test_a_number_without_country_belongs_to_the_default_region() -> None:
    assert read_phone("030 1234567", "DE") == Phone("+49301234567", "030 1234567")


@given(st.text(max_size=80) | st.floats() | st.integers(), st.sampled_from(["US", "DE", "ZZ", ""]))
def test_no_value_makes_it_fail(value: Any, region: str) -> None:
    phone = read_phone(value, region)
    assert phone is None or phone.e164 is None or phone.e164.startswith("+")
