"""The editor's form is read back as it was, and its buttons do what they say without losing a word."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.content import read_content
from campaigns.content_form import NEW_BLOCKS, press_button, read_content_form
from errors import InputInvalid


def fields_of(content: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields that the page would post for this content."""
    fields: list[tuple[str, str]] = []

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(f"{path}.{name}" if path else name, inner)
        elif isinstance(value, list):
            for at, inner in enumerate(value):
                walk(f"{path}.{at}", inner)
        elif isinstance(value, bool):
            if value:
                fields.append((path, "1"))
        else:
            fields.append((path, str(value)))

    walk("", content)
    return fields


WHOLE = read_content({"subject": "S", "blocks": list(NEW_BLOCKS.values())}).model_dump(mode="json")


def test_a_form_is_read_back_as_the_content_that_it_shows() -> None:
    assert read_content(read_content_form(fields_of(WHOLE))).model_dump(mode="json") == WHOLE


def test_blocks_come_in_the_order_of_their_numbers() -> None:
    fields = [(f"blocks.{n}.{k}", v) for n in (10, 2, 1) for k, v in (("kind", "heading"), ("text", str(n)))]
    assert [block["text"] for block in read_content_form(fields)["blocks"]] == ["1", "2", "10"]


@pytest.mark.parametrize(
    ("button", "order"),
    [
        ("up:blocks.1", "bac"),
        ("down:blocks.1", "acb"),
        ("remove:blocks.1", "ac"),
        ("copy:blocks.1", "abbc"),
        ("up:blocks.0", "abc"),
    ],
)
def test_blocks_are_moved_removed_and_copied(button: str, order: str) -> None:
    content = {"blocks": [{"kind": "heading", "text": letter} for letter in "abc"]}
    assert "".join(block["text"] for block in press_button(content, button).content["blocks"]) == order
    assert [block["text"] for block in content["blocks"]] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", NEW_BLOCKS)
def test_each_kind_is_added_and_readable_at_once(kind: str) -> None:
    edited = press_button({"blocks": []}, f"add:{kind}")
    assert edited.focus == "blocks.0"
    assert read_content(edited.content).blocks[0].kind == kind


def test_a_new_block_comes_before_the_footer() -> None:
    content = {"blocks": [{"kind": "text", "text": "a"}, {"kind": "footer", "text": ""}]}
    edited = press_button(content, "add:button")
    assert [block["kind"] for block in edited.content["blocks"]] == ["text", "button", "footer"]
    assert edited.focus == "blocks.1"


def test_columns_and_links_grow_and_shrink() -> None:
    content = {"blocks": [dict(NEW_BLOCKS["columns"]), dict(NEW_BLOCKS["social"])]}
    grown = press_button(content, "add:column:blocks.0.columns").content
    assert len(grown["blocks"][0]["columns"]) == 3
    with pytest.raises(InputInvalid):
        press_button(grown, "add:column:blocks.0.columns")
    assert len(press_button(content, "add:link:blocks.1.links").content["blocks"][1]["links"]) == 2


@pytest.mark.parametrize(
    "button",
    [
        "",
        "up",
        "up:",
        "up:blocks",
        "up:blocks.9",
        "up:blocks.-1",
        "up:subject.0",
        "add:nonsense",
        "add:text:subject",
        "explode:blocks.0",
        "up:blocks.x",
        "add:text:blocks.0.kind",
    ],
)
def test_a_button_that_there_is_not_is_refused(button: str) -> None:
    with pytest.raises(InputInvalid):
        press_button({"subject": "S", "blocks": [{"kind": "text", "text": "a"}]}, button)


def test_a_form_with_too_many_fields_is_refused() -> None:
    with pytest.raises(InputInvalid):
        read_content_form([(f"blocks.{n}.text", "") for n in range(3000)])


@given(
    st.lists(st.tuples(st.text(alphabet="blocks.0123456789kindtexurl", max_size=40), st.text(max_size=20)), max_size=30)
)
def test_no_form_breaks_the_reader(fields: list[tuple[str, str]]) -> None:
    with contextlib.suppress(InputInvalid):
        read_content(read_content_form([(f"blocks.{name}", value) for name, value in fields]))
