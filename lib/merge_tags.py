"""Merge tags without logic: {{first_name|friend}}, resolved from an allow-list, escaped for the part they stand in.

A template language in a campaign is how peers leaked their secrets: here a tag is a name and a fallback, nothing
else, and a value is never read for tags again. To allow a tag, add its name to the caller's allow-list.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

MAX_VALUE_CHARACTERS = 500
TAG = re.compile(
    r"\{\{[ \t]*([a-z][a-z0-9_]{0,39}(?:\.[a-z0-9_]{1,60})?)[ \t]*"
    r"(?:\|([^{}|\r\n\u2028\u2029]{0,200}))?\}\}"
)
LEFTOVER = re.compile(r"\{\{[^{}]{0,40}(?:\}\})?|\}\}")
LINE_BREAKS = re.compile("[\r\n\x0b\x0c\x00\x1c-\x1e\x85\u2028\u2029]")
BLANKS = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029]+")
UNPRINTABLE = re.compile("[\ud800-\udfff\ufeff\ufffe\uffff\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PLAIN = re.compile(r"[A-Za-z0-9 ,._@!?:-]*")


class HeaderRefused(ValueError):
    """A header value holds a line break: sending it would let its author write headers."""


class Part(Enum):
    """Where a value is spliced in; each place has its own escaping."""

    HTML = "html"
    ATTRIBUTE = "attribute"
    URL = "url"
    TEXT = "text"
    HEADER = "header"


@dataclass(frozen=True)
class MergeTag:
    """One tag: the name of the value and what stands there without it: "" on purpose, None when nobody said."""

    name: str
    fallback: str | None = None

    @property
    def has_fallback(self) -> bool:
        return self.fallback is not None


def split_merge_tags(text: str, allowed: Callable[[str], bool]) -> list[str | MergeTag]:
    """The text as plain pieces and tags. A tag that is not allowed stays plain text, exactly as written."""
    pieces: list[str | MergeTag] = []
    end = 0
    for match in TAG.finditer(text):
        if not allowed(match[1]):
            continue
        if match.start() > end:
            pieces.append(text[end : match.start()])
        pieces.append(MergeTag(match[1], match[2].strip() if match[2] is not None else None))
        end = match.end()
    if end < len(text):
        pieces.append(text[end:])
    return pieces


def find_merge_problems(text: str, allowed: Callable[[str], bool]) -> list[str]:
    """One sentence for each pair of braces that is not a merge tag or names an unknown value."""
    problems = [f"“{match[0]}” is not a value that LUX knows." for match in TAG.finditer(text) if not allowed(match[1])]
    rest = TAG.sub("", text)
    problems += [f"“{match[0].strip()}” is not a merge tag." for match in LEFTOVER.finditer(rest)]
    return problems


def list_merge_tags(text: str, allowed: Callable[[str], bool]) -> list[MergeTag]:
    """The allowed tags of a text in the order in which they stand."""
    return [piece for piece in split_merge_tags(text, allowed) if isinstance(piece, MergeTag)]


def fill_merge_tags(
    text: str, values: Mapping[str, str], part: Part, allowed: Callable[[str], bool] | None = None
) -> str:
    """The text with its tags filled and each value escaped for the part. The text itself is left as it is."""
    pieces = split_merge_tags(text, allowed or values.__contains__)
    escape = ESCAPING[part]
    return "".join(
        piece if isinstance(piece, str) else escape(values.get(piece.name) or piece.fallback or "") for piece in pieces
    )


def escape_html(value: str) -> str:
    """For the text between tags."""
    return html.escape(one_line(value))


def escape_url(value: str) -> str:
    """For one component of an address: nothing that could begin another component survives."""
    return quote(one_line(value), safe="")


def escape_header(value: str) -> str:
    """For a header. Raises HeaderRefused when the value holds a line break of any kind."""
    return cut(UNPRINTABLE.sub("", refuse_line_breaks(value)))


def refuse_line_breaks(value: str) -> str:
    """The value, or HeaderRefused when it holds CR, LF, NEL, U+2028 or the like."""
    if LINE_BREAKS.search(value):
        raise HeaderRefused("A header value must be one line.")
    return value


def one_line(value: str) -> str:
    """A value of one person as one line: no controls, no direction marks, at most 500 characters."""
    if PLAIN.fullmatch(value) and len(value) <= MAX_VALUE_CHARACTERS:
        return value
    return cut(BLANKS.sub(" ", UNPRINTABLE.sub("", value)))


def cut(value: str) -> str:
    """At most 500 characters: a value is a name or a word, not a page."""
    return value if len(value) <= MAX_VALUE_CHARACTERS else value[: MAX_VALUE_CHARACTERS - 1] + "…"


ESCAPING: dict[Part, Callable[[str], str]] = {
    Part.HTML: escape_html,
    Part.ATTRIBUTE: escape_html,
    Part.URL: escape_url,
    Part.TEXT: one_line,
    Part.HEADER: escape_header,
}


def tag_names(tags: Iterable[MergeTag]) -> list[str]:
    """Each name once, in order."""
    return list(dict.fromkeys(tag.name for tag in tags))
