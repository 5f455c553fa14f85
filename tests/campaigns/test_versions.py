"""What changed between two versions, told block by block."""

from __future__ import annotations

from campaigns.versions import compare_contents

TEXT = {"kind": "text", "text": "One"}
BUTTON = {"kind": "button", "label": "Go", "url": "https://a.example"}


def test_the_same_content_has_no_difference() -> None:
    assert compare_contents({"subject": "S", "blocks": [TEXT]}, {"subject": "S", "blocks": [TEXT]}) == []


def test_a_changed_subject_and_a_changed_block_show_both_sides() -> None:
    changes = compare_contents(
        {"subject": "Old", "blocks": [TEXT, BUTTON]}, {"subject": "New", "blocks": [{**TEXT, "text": "Two"}, BUTTON]}
    )
    assert [(c.label, c.kind, c.before, c.after) for c in changes] == [
        ("Subject", "changed", "Old", "New"),
        ("Block 1: Text", "changed", "One", "Two"),
    ]


def test_added_and_removed_blocks_are_named_as_such() -> None:
    added = compare_contents({"blocks": [TEXT]}, {"blocks": [TEXT, BUTTON]})
    assert [(c.kind, c.after) for c in added] == [("added", "Go\nhttps://a.example")]
    removed = compare_contents({"blocks": [TEXT, BUTTON]}, {"blocks": [BUTTON]})
    assert [(c.kind, c.label) for c in removed] == [("removed", "Block 1: Text")]


def test_a_block_replaced_by_another_kind_says_so() -> None:
    assert "instead of text" in compare_contents({"blocks": [TEXT]}, {"blocks": [BUTTON]})[0].label
