"""Signed ids: one spelling each, nothing to guess, rotation of the secret."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.signed_links import TOKEN_CHARACTERS, LinkSigner, SignedId

SIGNER = LinkSigner(["secret-one"], "tests")
ALPHABET = string.ascii_letters + string.digits + "-_"


@given(st.integers(0, 255), st.integers(0, 2**63), st.integers(0, 2**32 - 1))
def test_a_token_gives_back_what_was_signed(kind: int, row_id: int, number: int) -> None:
    token = SIGNER.sign(kind, row_id, number)
    assert len(token) == TOKEN_CHARACTERS and set(token) <= set(ALPHABET)
    assert SIGNER.read(token) == SignedId(kind, row_id, number)
    assert SIGNER.make_signing()(kind, row_id, number).decode() == token


def test_no_changed_character_is_accepted() -> None:
    token = SIGNER.sign(2, 41, 3)
    for place in range(len(token)):
        for letter in ALPHABET:
            if letter != token[place]:
                assert SIGNER.read(token[:place] + letter + token[place + 1 :]) is None


def test_neighbours_cannot_be_derived() -> None:
    """The id is readable, its signature is not: the next id with this signature is worthless."""
    first, second = SIGNER.sign(2, 41), SIGNER.sign(2, 42)
    assert SIGNER.read(second[:18] + first[18:]) is None
    assert first[18:] != second[18:]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "A",
        "A" * 39,
        "A" * 40,
        "A" * 41,
        "é" * 40,
        "=" * 40,
        "\x00" * 40,
        "../" * 13 + "a",
        " " + "A" * 39,
        "٣" * 40,
    ],
)
def test_anything_else_is_unknown(token: str) -> None:
    assert SIGNER.read(token) is None


def test_another_secret_or_purpose_is_foreign() -> None:
    token = SIGNER.sign(1, 1)
    assert LinkSigner(["secret-two"], "tests").read(token) is None
    assert LinkSigner(["secret-one"], "other").read(token) is None


def test_the_first_secret_signs_and_all_are_accepted() -> None:
    rotated = LinkSigner(["new", "secret-one"], "tests")
    assert rotated.read(SIGNER.sign(1, 7)) == SignedId(1, 7, 0)
    assert rotated.sign(1, 7) == LinkSigner(["new"], "tests").sign(1, 7)


def test_a_signer_without_a_secret_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="secret"):
        LinkSigner([""], "tests")
