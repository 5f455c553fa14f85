"""Content is read strictly, with a sentence for each wrong field, and walked without leaving anything out."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.content import read_content, walk_addresses, walk_texts
from campaigns.templates import STARTERS
from errors import InputInvalid

BREAKS = ["\r", "\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00"]


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.key)
def test_every_starter_is_whole_and_says_hello_to_people_without_a_name(starter: Any) -> None:
    content = read_content(starter.content)
    assert content.subject
    assert content.blocks[-1].kind == "footer"
    assert "{{first_name}}" not in str(starter.content)


@pytest.mark.parametrize("field", ["subject", "preheader", "from_name", "reply_to"])
@pytest.mark.parametrize("line_break", BREAKS, ids=repr)
def test_a_line_break_in_a_header_field_is_refused_beside_it(field: str, line_break: str) -> None:
    with pytest.raises(InputInvalid) as refused:
        read_content({field: f"Hello{line_break}Bcc: everybody@lumen.example"})
    assert list(refused.value.fields) == [field]
    assert "one line" in refused.value.fields[field]


def test_wrong_fields_are_named_by_their_path() -> None:
    with pytest.raises(InputInvalid) as refused:
        read_content(
            {
                "blocks": [
                    {"kind": "button", "url": "x" * 3000},
                    {"kind": "columns", "columns": [{"heading": "h" * 301}, {}]},
                    {"kind": "text", "text": "t" * 30_000},
                    {"kind": "nonsense"},
                ]
            }
        )
    assert set(refused.value.fields) == {"blocks.0.url", "blocks.1.columns.0.heading", "blocks.2.text", "blocks.3"}
    assert refused.value.fields["blocks.0.url"] == "Keep this within 2,000 characters."


def test_what_is_no_part_of_a_campaign_is_refused() -> None:
    with pytest.raises(InputInvalid, match="does not know this part"):
        read_content({"subject": "Hello", "smtp_url": "smtp://elsewhere"})


def test_replies_go_to_an_address_or_nowhere() -> None:
    assert read_content({"reply_to": " Anna@Lumen.Example "}).reply_to == "anna@lumen.example"
    with pytest.raises(InputInvalid) as refused:
        read_content({"reply_to": "anna"})
    assert list(refused.value.fields) == ["reply_to"]


def test_what_postgresql_cannot_keep_is_taken_out_of_long_texts() -> None:
    content = read_content({"text": "a\x00b\ud800c\r\nd"})
    assert content.text == "abc\nd"


def test_every_address_is_walked_also_those_in_running_text() -> None:
    content = read_content(
        {
            "blocks": [
                {"kind": "text", "text": "See [this](https://a.example/1) and [that](javascript:alert(1))."},
                {"kind": "image", "url": "https://b.example/x.png", "link": "https://b.example/"},
                {
                    "kind": "columns",
                    "columns": [{"url": "https://c.example"}, {"image_url": "https://d.example/y.png"}],
                },
                {"kind": "social", "links": [{"network": "x", "url": "https://e.example"}]},
            ]
        }
    )
    found = {address for _, address in walk_addresses(content) if address}
    assert {f"https://{letter}.example" in "".join(found) for letter in "abcde"} == {True}
    assert any(address.startswith("javascript:") for address in found)


def test_texts_are_walked_with_the_path_that_the_form_uses() -> None:
    content = read_content({"subject": "S", "blocks": [{"kind": "heading", "text": "H"}]})
    assert dict(walk_texts(content))["blocks.0.text"] == "H"
