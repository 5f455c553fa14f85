"""Colours are mixed as the eye sees them and moved until they can be read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lib.colours import BLACK, WHITE, from_oklch, ink_on, lowest_contrast, mix, readable, shade, to_oklch

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(COLOURS)
def test_a_colour_comes_back_as_it_went(colour: str) -> None:
    back = from_oklch(*to_oklch(colour))
    assert all(abs(int(colour[at : at + 2], 16) - int(back[at : at + 2], 16)) <= 1 for at in (1, 3, 5))


@given(COLOURS, COLOURS)
def test_any_colour_can_be_made_readable_on_any_ground(colour: str, ground: str) -> None:
    assert lowest_contrast(readable(colour, ground), ground) >= 4.5


def test_what_can_be_read_already_stays_as_it_is() -> None:
    assert readable("#8c2dd9", WHITE) == "#8c2dd9"


def test_ink_is_what_reads_better() -> None:
    assert (ink_on("#ffd435"), ink_on("#460b72"), ink_on(WHITE, BLACK) in (WHITE, BLACK)) == (BLACK, WHITE, True)


def test_mixing_and_shading_stay_within_what_a_screen_shows() -> None:
    assert mix(BLACK, WHITE, 0) == BLACK and mix(BLACK, WHITE, 1) == WHITE
    assert to_oklch(shade("#8c2dd9", light=0.9))[0] > 0.88
