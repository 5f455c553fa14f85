"""The markdown of articles as clean HTML that stands anywhere: headings, lists, tables, links, pictures; no markup."""

from __future__ import annotations

import re

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

KEPT_TAGS = {
    "p", "br", "strong", "em", "s", "ul", "ol", "li", "code", "pre", "blockquote", "hr",
    "h2", "h3", "h4", "table", "thead", "tbody", "tr", "th", "td", "a", "img",
}  # fmt: skip
KEPT_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto", "tel"}
FIRST_HEADING, LAST_HEADING = 2, 4
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
_BOLD_LINE = re.compile(r"^\*\*([^*\n]{1,120})\*\*[ \t]*$", re.MULTILINE)


def render_article(markdown: str) -> Markup:
    """Safe HTML. The article's title is its page's h1, so headings within begin at h2."""
    tokens = _MARKDOWN.parse(markdown)
    _fit_headings(tokens)
    cleaned = nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=KEPT_TAGS,
        attributes=KEPT_ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel=None,
    )
    return Markup(cleaned)  # noqa: S704 - nh3 has just cleaned it


def count_words(markdown: str) -> int:
    """Words that people read, without the marks of markdown and without addresses."""
    plain = re.sub(r"\]\([^)\s]*\)", " ", markdown)
    return len(re.findall(r"[^\W_]+(?:[’'-][^\W_]+)*", plain))


def bold_lines_as_headings(markdown: str) -> str:
    """Lines that are nothing but bold words are the headings that somebody meant."""
    return _BOLD_LINE.sub(r"## \1", markdown)


def _fit_headings(tokens: list[Token]) -> None:
    levels = [int(token.tag[1]) for token in tokens if token.type == "heading_open"]
    shift = FIRST_HEADING - min(levels) if levels and min(levels) < FIRST_HEADING else 0
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(LAST_HEADING, max(FIRST_HEADING, int(token.tag[1]) + shift))}"
