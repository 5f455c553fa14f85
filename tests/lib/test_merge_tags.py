"""Merge tags: names and fallbacks, nothing else; values escaped for their place and never read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.merge_tags import (
    HeaderRefused,
    MergeTag,
    Part,
    escape_header,
    escape_html,
    escape_url,
    fill_merge_tags,
    find_merge_problems,
    list_merge_tags,
    one_line,
    split_merge_tags,
)

KNOWN = {"first_name", "name", "email", "attributes.plan"}


def is_known(name: str) -> bool:
    return name in KNOWN


def test_a_tag_is_a_name_and_a_fallback() -> None:
    assert split_merge_tags("Hi {{first_name|dear friend}}!", is_known) == [
        "Hi ",
        MergeTag("first_name", "dear friend"),
        "!",
    ]
    assert list_merge_tags("{{ name }}{{attributes.plan|free}}", is_known) == [
        MergeTag("name"),
        MergeTag("attributes.plan", "free"),
    ]


def test_nothing_may_be_what_stands_there_instead() -> None:
    tags = list_merge_tags("{{name}}{{name|}}{{name| }}", is_known)
    assert [tag.has_fallback for tag in tags] == [False, True, True]
    assert fill_merge_tags("Hi{{name|}}!", {}, Part.TEXT, is_known) == "Hi!"


def test_an_empty_value_gives_the_fallback() -> None:
    text = "Hi {{first_name|friend}}"
    assert fill_merge_tags(text, {"first_name": ""}, Part.TEXT, is_known) == "Hi friend"
    assert fill_merge_tags(text, {"first_name": "Ann"}, Part.TEXT, is_known) == "Hi Ann"


def test_unknown_names_stay_as_written_and_are_reported() -> None:
    text = "{{secret_key}} {{first_name}} {{first_name.__class__}}"
    assert fill_merge_tags(text, {"first_name": "Ann"}, Part.TEXT, is_known).startswith("{{secret_key}} Ann {{first")
    assert len(find_merge_problems(text, is_known)) == 2


@pytest.mark.parametrize("text", ["{{", "}}", "{{ }}", "{{first name}}", "{{First}}", "{{a|b|c}}"])
def test_braces_that_are_no_tag_are_reported(text: str) -> None:
    assert find_merge_problems(text, is_known)


def test_a_value_is_never_read_for_tags() -> None:
    values = {"first_name": "{{email}}", "email": "secret@example.com"}
    assert fill_merge_tags("{{first_name}}", values, Part.TEXT, is_known) == "{{email}}"


def test_each_place_has_its_escaping() -> None:
    value = "<b>\"'&/?#\n"
    assert escape_html(value) == "&lt;b&gt;&quot;&#x27;&amp;/?# "
    assert escape_url(value) == "%3Cb%3E%22%27%26%2F%3F%23%20"
    assert one_line(value) == "<b>\"'&/?# "


@pytest.mark.parametrize("broken", ["\r", "\n", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x00", "\x1e"])
def test_a_header_value_with_any_line_break_is_refused(broken: str) -> None:
    with pytest.raises(HeaderRefused):
        escape_header(f"Ann{broken}Bcc: everybody@example.com")


@given(st.text())
def test_nothing_escaped_breaks_out(value: str) -> None:
    html = escape_html(value)
    assert not set('<>"') & set(html) and "\n" not in html and "\r" not in html
    assert not set(" <>\"'&?#/:@\r\n") & set(escape_url(value))
    line = one_line(value)
    assert len(line.splitlines()) <= 1 and len(line) <= 500
