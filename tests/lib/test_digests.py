"""Texts are compared whatever stands in them."""

from __future__ import annotations

import pytest

from lib.digests import is_same


@pytest.mark.parametrize("text", ["", "abc", "§", "\ud800", "\0", "a" * 100_000])
def test_a_text_is_the_same_as_itself_and_as_no_other(text: str) -> None:
    assert is_same(text, text)
    assert not is_same(text + "x", text)
