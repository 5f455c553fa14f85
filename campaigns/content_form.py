"""The content editor's form read into content, and what its buttons do to the blocks: add, move, copy, remove.

Fields are named by their path, "blocks.3.columns.0.text"; a button is "up:blocks.3" or "add:column:blocks.3.columns".
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from errors import InputInvalid

LINES = ("subject", "preheader", "from_name", "reply_to", "text")
NUMBERS = frozenset({"level"})
MOST_FIELDS = 2000
MOST_DEPTH = 6
MOST_COLUMNS = 3
NEW_BLOCKS: dict[str, dict[str, Any]] = {
    "heading": {"kind": "heading", "text": ""},
    "text": {"kind": "text", "text": ""},
    "button": {"kind": "button", "label": "", "url": ""},
    "image": {"kind": "image", "url": "", "alt": ""},
    "columns": {"kind": "columns", "columns": [{}, {}]},
    "divider": {"kind": "divider"},
    "social": {"kind": "social", "links": [{"network": "website", "url": ""}]},
    "footer": {"kind": "footer", "text": ""},
}
UNKNOWN_BUTTON = "LUX does not know this button. Reload the page and try again."

Tree = dict[str, Any]


@dataclass(frozen=True)
class Edited:
    """Content after a button was pressed. `focus` is the path of the block that the person is at now."""

    content: Tree
    focus: str
    said: str


def read_content_form(fields: Iterable[tuple[str, str]]) -> Tree:
    """The posted fields as content, not yet checked. Raises InputInvalid for more fields than a campaign has."""
    pairs = list(fields)
    if len(pairs) > MOST_FIELDS:
        raise InputInvalid({"form": "This is more than one campaign can hold."})
    root: Tree = {}
    for name, value in pairs:
        if name.startswith("blocks."):
            _put(root, name.split("."), value)
    posted = dict(pairs)
    content: Tree = {name: posted.get(name, "") for name in LINES}
    content["blocks"] = [_block(block) for block in _listed(root.get("blocks", {}))]
    content["track_opens"] = posted.get("track_opens") == "1"
    content["track_clicks"] = posted.get("track_clicks") == "1"
    return content


def press_button(content: Tree, button: str) -> Edited:
    """The content after one of the editor's buttons. Raises InputInvalid for a button that there is not."""
    verb, _, rest = button.partition(":")
    changed = copy.deepcopy(content)
    try:
        if verb == "add":
            return _add(changed, *rest.partition(":")[::2])
        place, _, last = rest.rpartition(".")
        return _change(changed, verb, place, _items_at(changed, place), int(last))
    except (LookupError, ValueError, TypeError) as error:
        raise InputInvalid({"form": UNKNOWN_BUTTON}) from error


def fill_image(content: Tree, path: str, *, url: str, alt: str) -> Tree:
    """The content with a picture in the image block or column that stands at the path. Raises InputInvalid."""
    changed = copy.deepcopy(content)
    try:
        place, _, last = path.rpartition(".")
        found = _items_at(changed, place)[int(last)]
        is_column = place.endswith(".columns")
        if not is_column and found.get("kind") != "image":
            raise LookupError(path)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise InputInvalid({"block": "This block is not there any more."}) from error
    found |= {"image_url": url, "image_alt": alt} if is_column else {"url": url, "alt": alt}
    return changed


def _add(content: Tree, kind: str, place: str) -> Edited:
    place = place or "blocks"
    items = _items_at(content, place)
    if kind == "link":
        new: Any = {"network": "website", "url": ""}
    elif kind == "column":
        if len(items) >= MOST_COLUMNS:
            raise ValueError("no room")
        new = {}
    else:
        new = copy.deepcopy(NEW_BLOCKS[kind])
    # A footer stays at the foot: what is added to the mail comes before it.
    has_foot = place == "blocks" and items and items[-1].get("kind") == "footer" and kind != "footer"
    at = len(items) - 1 if has_foot else len(items)
    items.insert(at, new)
    return Edited(content, f"{place}.{at}", f"{kind.capitalize()} added.")


def _change(content: Tree, verb: str, place: str, items: list[Any], at: int) -> Edited:
    if not 0 <= at < len(items):
        raise LookupError(at)
    if verb == "remove":
        del items[at]
        return Edited(content, f"{place}.{min(at, len(items) - 1)}" if items else place, "Removed.")
    if verb == "copy":
        items.insert(at + 1, copy.deepcopy(items[at]))
        return Edited(content, f"{place}.{at + 1}", "Copied below.")
    to = {"up": at - 1, "down": at + 1}[verb]
    to = max(0, min(to, len(items) - 1))
    items.insert(to, items.pop(at))
    return Edited(content, f"{place}.{to}", f"Moved to place {to + 1} of {len(items)}.")


def _items_at(content: Tree, place: str) -> list[Any]:
    found: Any = content
    for step in place.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    if not isinstance(found, list):
        raise TypeError(place)
    return found


def _put(root: Tree, steps: list[str], value: str) -> None:
    if len(steps) > MOST_DEPTH:
        return
    here = root
    for step in steps[:-1]:
        inner = here.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        here = inner
    here[steps[-1]] = value


def _listed(tree: Any) -> list[Any]:
    """What was numbered, in the order of its numbers."""
    if not isinstance(tree, dict):
        return []
    return [tree[key] for key in sorted((k for k in tree if k.isdecimal()), key=int)]


def _block(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    block = {name: int(v) if name in NUMBERS and str(v).isdecimal() else v for name, v in tree.items()}
    for part in ("columns", "links"):
        if block.get("kind") == {"columns": "columns", "links": "social"}[part]:
            block[part] = _listed(block.get(part))
    return block
