"""The brand: saved as told, refused by field, measured for completeness."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from campaigns.brand import BrandLink, BrandValues, change_brand, get_brand, is_web_address, list_links, measure_brand
from errors import InputInvalid

FULL = BrandValues(
    company="Lumen Tea",
    website="lumen.example",
    voice="Warm.",
    audience="Tea drinkers.",
    offer="Tea.",
    words_to_avoid=["cheap"],
    proof_points=["One garden"],
    links=[BrandLink("Shop", "https://lumen.example/shop")],
)


def test_nobody_has_told_it_yet(app: Flask) -> None:
    brand = get_brand()
    assert measure_brand(brand).percent == 0
    assert list_links(brand) == []


def test_it_is_saved_and_measured(app: Flask) -> None:
    brand = change_brand(FULL, actor="tests")
    assert measure_brand(brand).is_complete
    assert brand.website == "https://lumen.example"
    assert [link.url for link in list_links(brand)] == ["https://lumen.example/shop", "https://lumen.example"]


def test_what_is_missing_is_named_with_the_most_helpful_first(app: Flask) -> None:
    brand = change_brand(replace(FULL, voice="", words_to_avoid=[]), actor="tests")
    completeness = measure_brand(brand)
    assert completeness.percent == 75
    assert [name for name, _ in completeness.missing] == ["voice", "words_to_avoid"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("company", "x" * 121),
        ("website", "javascript:alert(1)"),
        ("website", "https://user:secret@lumen.example"),
        ("accent_color", "red;}"),
        ("links", [BrandLink("Bad", "data:text/html,x")]),
        ("links", [BrandLink("Bad", 'https://x.example/"><script>')]),
        ("words_to_avoid", ["x" * 81]),
        ("proof_points", ["x" * 301]),
    ],
)
def test_it_refuses_by_field_and_keeps_what_was(app: Flask, field: str, value: object) -> None:
    change_brand(FULL, actor="tests")
    with pytest.raises(InputInvalid) as caught:
        change_brand(replace(FULL, **{field: value}), actor="tests")  # type: ignore[arg-type]  # the field varies
    assert list(caught.value.fields) == [field]
    assert get_brand().company == "Lumen Tea"


def test_an_address_with_something_hidden_in_it_is_none() -> None:
    assert is_web_address("https://lumen.example/a?b=c#d")
    assert not is_web_address("https://lumen.example/ x")
    assert not is_web_address("//lumen.example")
    assert not is_web_address("https://[::1")
