"""Addresses in running text."""

from __future__ import annotations

import pytest

from lib.web_addresses import find_addresses, host_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://a.example/b?c=d.", ["https://a.example/b?c=d"]),
        ("See www.a.example, please", ["www.a.example"]),
        ("See shop.com/now!", ["shop.com/now"]),
        ("ftp://a.example and HTTPS://B.example", ["ftp://a.example", "HTTPS://B.example"]),
        ("At 9 a.m. we open. Then tea.", []),
        ("e.g. this, i.e. that, version 2.0", []),
        ("Write to ada@shop.com", []),
    ],
)
def test_it_finds(text: str, found: list[str]) -> None:
    assert find_addresses(text) == found


def test_the_host_is_read_without_www() -> None:
    assert host_of("https://www.Shop.example/a") == host_of("shop.example") == "shop.example"
    assert host_of("https://[") == ""


@pytest.mark.parametrize("address", ["https://evil.com\\@shop.example/", "https://shop.example@evil.com/", "https://["])
def test_an_address_that_programs_read_differently_has_no_host(address: str) -> None:
    assert host_of(address) == ""
