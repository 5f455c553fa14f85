"""The little markdown that mail blocks know, as HTML for LUX's own pages: bold, italic, lists; no links, no markup."""

from __future__ import annotations

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

MARKDOWN = MarkdownIt("zero", {"breaks": True}).enable(["emphasis", "list", "newline", "escape"])
KEPT_TAGS = {"p", "br", "strong", "em", "ul", "ol", "li"}


def render_light_markdown(text: str) -> Markup:
    """The text with its emphasis and lists; everything else stays words."""
    cleaned = nh3.clean(MARKDOWN.render(text), tags=KEPT_TAGS, attributes={})
    return Markup(cleaned)  # noqa: S704 - nh3 has just cleaned it
