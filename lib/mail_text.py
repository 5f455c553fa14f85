"""The text part of a mail, made from its HTML: paragraphs, lists, and each link's address behind its words."""

from __future__ import annotations

import re
from html.parser import HTMLParser

BLOCKS = {"p", "div", "tr", "table", "h1", "h2", "h3", "ul", "ol", "li", "td"}
PARAGRAPHS = {"p", "h1", "h2", "h3", "ul", "ol", "tr"}
LINE = "―" * 12


def convert_to_text(html: str) -> str:
    """Readable text for a mail program that shows no HTML."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = re.sub(r"[ \t]+", " ", "".join(reader.parts))
    text = re.sub(r" ?\n ?", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._targets: list[tuple[str, int]] = []
        self._lists: list[int | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in PARAGRAPHS:
            self.parts.append("\n\n")
        if tag == "br":
            self.parts.append("\n")
        elif tag == "a":
            self._targets.append((named.get("href") or "", len(self.parts)))
        elif tag == "img" and named.get("alt"):
            self.parts.append(f"[{named['alt']}]")
        elif tag == "ul":
            self._lists.append(None)
        elif tag == "ol":
            self._lists.append(0)
        elif tag == "li":
            self.parts.append("\n" + self._bullet())
        elif tag == "div" and named.get("class") == "line":
            self.parts.append(f"\n\n{LINE}\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._targets:
            target, start = self._targets.pop()
            words = "".join(self.parts[start:]).strip()
            if target and target.removeprefix("mailto:").removeprefix("tel:") != words:
                self.parts.append(f": {target} " if words else f"{target} ")
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        if tag in PARAGRAPHS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(re.sub(r"\s+", " ", data))

    def _bullet(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "
