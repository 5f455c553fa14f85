"""Drawn pictures: every layout in every size, text within the picture, every text readable, nothing that runs."""

from __future__ import annotations

import io
import re

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from creative.drawings import LAYOUTS, READABLE, add_drawings, draw, read_design, render_png
from creative.lettering import BOLD, find_unknown, fit, measure, outline, without_unknown
from creative.palettes import PALETTES
from errors import InputInvalid
from lib.networks import EMAIL_HEADER, PLACES, SQUARE

WORDS = {
    "headline": "The first flush is here",
    "sub": "Picked on 4 April in one garden.",
    "call": "Try a cup",
    "name": "Lumen Tea",
}
LONGEST = {"headline": "Wholesome " * 8, "sub": "Every leaf by hand " * 7, "call": "M" * 30, "name": "W" * 40}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("words", [WORDS, LONGEST, {"headline": "Now"}], ids=["usual", "longest", "short"])
def test_every_layout_keeps_its_words_within_every_size(layout: str, words: dict[str, str]) -> None:
    given_words = {key: text.strip() for key, text in words.items()}
    for place in PLACES:
        drawing = draw(read_design({**given_words, "layout": layout}), place)
        assert f'viewBox="0 0 {place.width} {place.height}"' in drawing.svg
        letters = [d for d in re.findall(r'<path d="([^"]+)"', drawing.svg) if d.count("Z") >= 2]
        assert letters
        for d in letters:
            numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", d)]
            assert min(numbers[0::2]) >= 0 and max(numbers[0::2]) <= place.width
            assert min(numbers[1::2]) >= 0 and max(numbers[1::2]) <= place.height


@given(
    accent=st.integers(0, 0xFFFFFF), palette=st.sampled_from(sorted(PALETTES)), layout=st.sampled_from(sorted(LAYOUTS))
)
@settings(max_examples=60, deadline=None)
def test_every_text_can_be_read_whatever_the_brands_colour(accent: int, palette: str, layout: str) -> None:
    drawing = draw(
        read_design({**WORDS, "accent": f"#{accent:06x}", "palette": palette, "layout": layout}), EMAIL_HEADER
    )
    assert {one.use for one in drawing.contrasts} == {"Name", "Headline", "Line below", "Button"}
    assert drawing.contrast >= READABLE and drawing.is_readable


def test_a_drawing_holds_shapes_alone_and_nothing_that_runs_or_is_fetched() -> None:
    hostile = "<script>alert(1)</script>"
    for layout in LAYOUTS:
        svg = draw(read_design({**WORDS, "headline": hostile, "layout": layout}), SQUARE, title=f'"{hostile}&').svg
        known = {"svg", "title", "defs", "linearGradient", "stop", "clipPath", "rect", "circle", "path", "g"}
        assert set(re.findall(r"<([a-zA-Z]+)", svg)) <= known
        assert "&lt;script&gt;" in svg and not re.search(r"href|\bon\w+=|url\((?!#)|<!|style", svg)


def test_the_png_has_the_size_of_its_place_and_a_small_thumbnail() -> None:
    for place in (EMAIL_HEADER, SQUARE):
        picture = render_png(draw(read_design(WORDS), place).svg)
        assert Image.open(io.BytesIO(picture.content)).size == (place.width, place.height)
        assert len(picture.thumbnail) < 12_000


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"headline": ""}, "headline"),
        ({"headline": "x" * 81}, "headline"),
        ({"headline": "Party 🎉"}, "headline"),
        ({"sub": "مرحبا"}, "sub"),
        ({"call": "x" * 31}, "call"),
        ({"layout": "../panel"}, "layout"),
        ({"palette": "x"}, "palette"),
        ({"accent": "red"}, "accent"),
        ({"accent": '#000000"/><script>'}, "accent"),
        ({"script": "x"}, "script"),
    ],
)
def test_a_design_that_cannot_be_drawn_is_refused_with_its_field(changes: dict[str, str], field: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        read_design({**WORDS, **changes})
    assert list(caught.value.fields) == [field]


def test_text_is_measured_as_it_is_shaped() -> None:
    assert measure("AV", 100, BOLD) < measure("A", 100, BOLD) + measure("V", 100, BOLD)
    numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", outline("HHH", 100, BOLD, x=50, y=200))]
    assert max(numbers[0::2]) <= 50 + measure("HHH", 100, BOLD)
    fitted = fit("Liberté égalité Привет", BOLD, width=300, height=200, largest=90, smallest=10)
    assert fitted.width <= 300 and fitted.height <= 200
    assert find_unknown("Zażółć Ωmega Привет €5 →") == []
    assert without_unknown("Party 🎉 time") == "Party time"


def test_one_word_that_is_too_long_is_broken_and_never_leaves_its_box() -> None:
    fitted = fit("W" * 200, BOLD, width=200, height=90, largest=60, smallest=20)
    assert fitted.width <= 200 and fitted.lines[-1].endswith("…")


def test_a_design_becomes_assets_one_for_each_place(app: Flask) -> None:
    assets = add_drawings(
        read_design(WORDS), [EMAIL_HEADER, SQUARE], name="First flush", alt="A planet of tea", made_by="Ada"
    )
    assert [(one.name, one.place, one.width, one.height) for one in assets] == [
        ("First flush, E-mail header", "email_header", 1200, 400),
        ("First flush, Square", "square", 1080, 1080),
    ]
    assert all(one.kind == "drawn" and one.contrast and one.contrast >= READABLE for one in assets)
    assert assets[0].design == read_design(WORDS).model_dump()
