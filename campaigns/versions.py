"""What changed between two versions of a content, part by part, in words that a person can follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from campaigns.content import read_content

LINES = (
    ("subject", "Subject"),
    ("preheader", "Preview text"),
    ("from_name", "Sender's name"),
    ("reply_to", "Replies go to"),
    ("text", "Text part"),
)
NAMES = {
    "heading": "Heading",
    "text": "Text",
    "button": "Button",
    "image": "Image",
    "divider": "Divider",
    "columns": "Columns",
    "social": "Social",
    "footer": "Footer",
}


@dataclass(frozen=True)
class Change:
    """One part that differs. `kind` is changed, added or removed, as seen from the older one to the newer one."""

    label: str
    kind: str
    before: str
    after: str


def compare_contents(older: Mapping[str, Any], newer: Mapping[str, Any]) -> list[Change]:
    """What differs, in the order of the page; an empty list when both say the same."""
    before, after = read_content(older).model_dump(mode="json"), read_content(newer).model_dump(mode="json")
    changes = [
        Change(label, _kind(before[name], after[name]), before[name], after[name])
        for name, label in LINES
        if before[name] != after[name]
    ]
    return changes + _compare_blocks(before["blocks"], after["blocks"])


def describe_block(block: Mapping[str, Any]) -> str:
    """The words of a block as plain lines."""
    lines: list[str] = []
    for name, value in block.items():
        if name in ("kind", "level"):
            continue
        if isinstance(value, list):
            lines += [" · ".join(str(one) for one in inner.values() if one) for inner in value]
        elif value:
            lines.append(str(value))
    return "\n".join(line for line in lines if line)


def _compare_blocks(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Change]:
    keys = [[repr(block) for block in blocks] for blocks in (before, after)]
    changes: list[Change] = []
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        old, new = before[a1:a2], after[b1:b2]
        paired = min(len(old), len(new))
        changes += [_replaced(b1 + at, old[at], new[at]) for at in range(paired)]
        changes += [
            Change(_label(a1 + paired + n, b), "removed", describe_block(b), "") for n, b in enumerate(old[paired:])
        ]
        changes += [
            Change(_label(b1 + paired + n, b), "added", "", describe_block(b)) for n, b in enumerate(new[paired:])
        ]
    return changes


def _replaced(at: int, old: dict[str, Any], new: dict[str, Any]) -> Change:
    if old["kind"] == new["kind"]:
        return Change(_label(at, new), "changed", describe_block(old), describe_block(new))
    label = f"{_label(at, new)}, instead of {NAMES[old['kind']].lower()}"
    return Change(label, "changed", describe_block(old), describe_block(new))


def _label(at: int, block: dict[str, Any]) -> str:
    return f"Block {at + 1}: {NAMES[block['kind']]}"


def _kind(before: str, after: str) -> str:
    return "added" if not before else "removed" if not after else "changed"
