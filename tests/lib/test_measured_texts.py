"""Texts beside their limits: what is said aloud of them, and when nothing is."""

from __future__ import annotations

import pytest

from lib.measured_texts import Measured, tell_measures


@pytest.mark.parametrize(
    ("length", "said"),
    [(0, ""), (251, ""), (252, "28 characters left."), (279, "1 character left."), (280, "0 characters left."),
     (281, "1 character too many."), (1500, "1,220 characters too many.")],
)  # fmt: skip
def test_only_what_is_near_its_limit_or_beyond_it_is_said(length: int, said: str) -> None:
    assert tell_measures([Measured("x" * length, length, 280)]) == said


def test_of_several_lines_the_line_is_named() -> None:
    lines = [Measured("a", 1, 30), Measured("b", 33, 30), Measured("c", 29, 30)]
    assert tell_measures(lines) == "Line 2: 3 characters too many. Line 3: 1 character left."
    assert tell_measures([]) == ""
