"""Addresses come out in one canonical form or not at all."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from lib.email_addresses import AddressInvalid, canonical_address, is_address, masked_address, read_addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Lee, Ann" <mailto:ann@example.com>', ["ann@example.com"]),
        ("  ann@example.com\u200b ", ["ann@example.com"]),
        ("ANN.LEE@EXAMPLE.COM", ["ann.lee@example.com"]),
        ("ann+news@example.com", ["ann+news@example.com"]),
        ("zoe@xn--bcher-kva.de", ["zoe@bücher.de"]),
        ("zoe@BÜCHER.de", ["zoe@bücher.de"]),
        ("a@example.com, B <b@example.com>;c@example.com", ["a@example.com", "b@example.com", "c@example.com"]),
        ("a@example.com b@example.com", ["a@example.com", "b@example.com"]),
        ("mailto:ann@example.com?subject=Hello", ["ann@example.com"]),
        ("ann%40example.com", ["ann@example.com"]),
        ("ann＠example.com", ["ann@example.com"]),
        ("ann@example.com.", ["ann@example.com"]),
        ("a@example.com\r\nBcc: b@example.com", ["a@example.com"]),
        ("ann lee@example.com", []),
        ("ann@example..com", []),
        ("ann@localhost", []),
        ("ann@something.test", []),
        ("@example.com", []),
        ("ann@", []),
        ('"ann lee"@example.com', []),
        ("x" * 65 + "@example.com", []),
        ("", []),
    ],
)
def test_it_reads(text: str, expected: list[str]) -> None:
    assert read_addresses(text) == expected


@given(st.text(max_size=60) | st.emails())
def test_a_canonical_address_stays_itself(text: str) -> None:
    try:
        address = canonical_address(text)
    except AddressInvalid:
        return
    assert canonical_address(address) == address == address.lower()
    assert is_address(address)


@given(st.text(alphabet='<>@ab.,;"() \\\n\u200b', max_size=300))
def test_no_text_makes_it_fail_or_hang(text: str) -> None:
    for address in read_addresses(text):
        assert canonical_address(address) == address


def test_a_masked_address_hides_who_it_is() -> None:
    assert masked_address("ann.lee@example.com") == "a…@e….com"


plain_parts = st.text("abcz019._+-", min_size=1, max_size=12)


@given(
    st.builds("{}@{}.{}".format, plain_parts, plain_parts, st.sampled_from(["com", "co", "x", "test", "local", "a1"]))
)
def test_plain_addresses_are_what_the_validator_says(text: str) -> None:
    try:
        expected = validate_email(text, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        assert not is_address(text)
        return
    assert canonical_address(text) == expected
