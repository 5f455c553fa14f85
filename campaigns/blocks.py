"""How each block of a mail looks: its template's values, made safe. To add a block: campaigns/content.py, then here
and templates/mail/blocks/<kind>.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape, unescape
from pathlib import Path
from typing import Any

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from campaigns.content import Block, Button, Column, Columns, Divider, Footer, Heading, Image, Social, Text
from campaigns.mail_links import LINK_SCHEMES, WEB_SCHEMES, find_url_problem

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).resolve().parent.parent / "templates" / "mail"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)
MARKDOWN = MarkdownIt("zero", {"breaks": True}).enable(["emphasis", "link", "list", "newline", "escape"])
MARKDOWN.validateLink = lambda url: True  # type: ignore[method-assign]  # each address is judged below, by our own rule
KEPT_TAGS = {"p", "br", "strong", "em", "a", "ul", "ol", "li"}
NETWORK_NAMES = {"linkedin": "LinkedIn", "x": "X", "youtube": "YouTube", "tiktok": "TikTok", "whatsapp": "WhatsApp"}
_LINK = re.compile(r'<a href="([^"]*)">')

# Takes the author's words and gives them back with each merge tag as a placeholder that no author can write.
Protect = Callable[[str], str]
# Hears of a problem: the path of the field and a sentence.
Complain = Callable[[str, str], None]
Restore = Callable[[str], str]


class BlockWriter:
    """Writes the blocks of one mail as HTML rows."""

    def __init__(self, protect: Protect, restore: Restore, complain: Complain, footer: dict[str, str]) -> None:
        self._protect = protect
        self._restore = restore
        self._complain = complain
        self._footer = footer

    def write(self, blocks: list[Block]) -> Markup:
        """All rows; a mail without a footer block gets one, because the way out must always be there."""
        rows = [self._write(block, f"blocks.{number}") for number, block in enumerate(blocks)]
        if not any(isinstance(block, Footer) for block in blocks):
            rows.append(self._write(Footer(), "footer"))
        return Markup("").join(rows)

    def _write(self, block: Block, path: str) -> Markup:
        if isinstance(block, Heading):
            return _fill("heading", text=self._protect(block.text), level=block.level)
        if isinstance(block, Text):
            return _fill("text", text=self._markdown(block.text, path))
        if isinstance(block, Button):
            url = self._address(block.url, f"{path}.url", "The button's address")
            return _fill("button", text=self._protect(block.label), url=url)
        if isinstance(block, Image):
            return self._image(block.url, block.alt, block.link, path)
        if isinstance(block, Columns):
            columns = [self._column(column, f"{path}.columns.{at}") for at, column in enumerate(block.columns)]
            return _fill("columns", columns=columns, width=100 // len(columns))
        if isinstance(block, Social):
            return self._social(block, path)
        if isinstance(block, Footer):
            return _fill("footer", text=self._markdown(block.text, path), **self._footer)
        return self._divider(block)

    def _divider(self, block: Divider) -> Markup:
        return _fill(block.kind)

    def _image(self, url: str, alt: str, link: str, path: str) -> Markup:
        shown = self._address(url, f"{path}.url", "The image's address", WEB_SCHEMES)
        target = self._address(link, f"{path}.link", "The image's link") if link else ""
        return _fill("image", url=shown, text=self._protect(alt), link=target)

    def _column(self, column: Column, path: str) -> Markup:
        rows = []
        if column.image_url:
            shown = self._address(column.image_url, f"{path}.image_url", "The image's address", WEB_SCHEMES)
            rows.append(_fill("image", url=shown, text=self._protect(column.image_alt), link=""))
        if column.heading:
            rows.append(_fill("heading", text=self._protect(column.heading), level=3))
        if column.text:
            rows.append(_fill("text", text=self._markdown(column.text, f"{path}.text")))
        if column.label or column.url:
            url = self._address(column.url, f"{path}.url", "The button's address")
            rows.append(_fill("button", text=self._protect(column.label), url=url))
        return Markup("").join(rows)

    def _social(self, block: Social, path: str) -> Markup:
        links = []
        for number, link in enumerate(block.links):
            url = self._address(link.url, f"{path}.links.{number}.url", "The page's address", WEB_SCHEMES)
            if url:
                links.append((NETWORK_NAMES.get(link.network, link.network.capitalize()), url))
        return _fill("social", links=links)

    def _markdown(self, text: str, path: str) -> Markup:
        """A part of markdown, cleaned. Paragraphs, bold, italic, links, lists; everything else stays words."""
        html = MARKDOWN.render(self._protect(text))

        def judge(match: re.Match[str]) -> str:
            url = self._address(self._restore(unescape(match[1])), f"{path}.text", "A link in the text")
            return f'<a href="{escape(url)}">' if url else "<a>"

        cleaned = nh3.clean(
            _LINK.sub(judge, html),
            tags=KEPT_TAGS,
            attributes={"a": {"href"}},
            url_schemes=set(LINK_SCHEMES),
            link_rel=None,
        )
        return Markup(cleaned)  # noqa: S704 - nh3 has just cleaned it

    def _address(self, url: str, path: str, what: str, schemes: tuple[str, ...] = LINK_SCHEMES) -> str:
        """The address with its merge tags protected, or an empty one when it is unfit."""
        url = url.strip()
        problem = find_url_problem(url, schemes=schemes)
        if problem:
            self._complain(path, f"{what} {problem}")
            return ""
        return self._protect(url)


def _fill(kind: str, **values: Any) -> Markup:
    return Markup(TEMPLATES.get_template(f"blocks/{kind}.html").render(**values))  # noqa: S704 - autoescape is on
