"""Text from strangers comes out safe to store and compare."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.clean_text import clean_text, decode_bytes, folded, key_letters, one_line, present

any_text = st.text(st.characters(), max_size=60)


@given(any_text)
def test_clean_text_can_always_be_stored(text: str) -> None:
    cleaned = clean_text(text)
    assert "\x00" not in cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == clean_text(cleaned)


@given(st.binary(max_size=100))
def test_any_bytes_can_be_read(raw: bytes) -> None:
    assert isinstance(decode_bytes(raw), str)


@given(any_text)
def test_comparing_forms_are_stable(text: str) -> None:
    assert key_letters(key_letters(text)) == key_letters(text)
    assert one_line(one_line(text)) == one_line(text)
    assert present(present(text)) == present(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\tAnn  Lee\n", "Ann Lee"),
        ("\ufeffAnn\u200b", "Ann"),
        ("a\x00b\ud800", "ab"),
        ("\ud83d\ude00", "😀"),
        ("{{bundle.inputData.source}}", ""),
        ("={{ $json.name }}", ""),
        ("${name}", ""),
        ("*|FNAME|*", ""),
        ("null", ""),
        ("Null", "Null"),
        ("  ", ""),
        ("-", ""),
        ("Ann {{last}}", "Ann"),
        ("100%% sure %%x", "100%% sure %%x"),
    ],
)
def test_only_what_was_said_is_present(text: str, expected: str) -> None:
    assert present(text) == expected


@pytest.mark.parametrize(
    ("raw", "charset", "expected"),
    [
        ("Zoë".encode(), None, "Zoë"),
        (b"Zo\xeb", None, "Zoë"),
        (b"Zo\xeb \x81", "utf-8", "Zoë \x81"),
        ("Zoë".encode("utf-8-sig"), None, "Zoë"),
        ("Зоя".encode("windows-1251"), "windows-1251", "Зоя"),
        ("Zoë".encode(), "iso-8859-1", "Zoë"),
        ('{"a":"ü"}'.encode("utf-16"), None, '{"a":"ü"}'),
        (b"abc", "no-such-charset", "abc"),
    ],
)
def test_bytes_are_read_by_what_they_are(raw: bytes, charset: str | None, expected: str) -> None:
    assert decode_bytes(raw, charset) == expected


def test_rules_compare_width_and_case_alike() -> None:
    assert folded("ＮＥＷＳ Letter") == folded("news letter")
