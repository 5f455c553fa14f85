"""The markdown of answers and documents as safe HTML: links only within LUX, no images, nobody else's markup.

clean_answer() takes outside addresses out of a text that a model wrote; render_markdown() makes HTML of any text.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Callable, Collection
from urllib.parse import unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from lib.clean_text import clean_text, one_line, without_invisible
from lib.planted_orders import without_orders
from lib.web_addresses import find_addresses

REMOVED = "‹address removed›"
KEPT_TAGS = {
    "p", "br", "strong", "em", "s", "ul", "ol", "li", "code", "pre", "blockquote", "hr",
    "h2", "h3", "h4", "h5", "table", "thead", "tbody", "tr", "th", "td", "a",
}  # fmt: skip
KEPT_ATTRIBUTES = {"a": {"href"}, "h2": {"id"}, "h3": {"id"}, "h4": {"id"}, "h5": {"id"}, "ol": {"start"}}
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable(["image", "autolink"])

_IMAGE = re.compile(r"!\[([^\]\n]{0,300})\](?:\([^)\n]{0,2000}\)|\[[^\]\n]{0,200}\])?")
_LINK = re.compile(r"\[([^\]\n]{0,300})\]\(\s*<?([^)\s>]{0,2000})>?[^)\n]{0,300}\)")
_DEFINITION = re.compile(r"^[ >*-]{0,12}\[[^\]\n]{1,200}\]:.*$", re.MULTILINE)
_TAG = re.compile(
    r"</?(?:a|abbr|audio|base|body|button|embed|form|frame|head|html|iframe|img|input|link|math|meta|object|picture"
    r"|script|select|source|style|svg|textarea|track|use|video)\b[^>]*>?",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(?:javascript|data|vbscript|mailto|tel|ftp|file|blob|wss?|https?)\s{0,3}:\s{0,3}(?=\S)", re.I)
# A place in a file, such as audience/intake.py:120, reads like an address to programs that make links.
_FILE = re.compile(
    r"[\w./<>-]+\.(?:py|js|css|html|md|log|err|conf|cfg|toml|txt|sock|service|timer|env|sql|csv)(?::\d+)?"
)
_HOST = re.compile(r"//[\w-]|\bwww\.|[\w-]+\.[a-z]{2,24}/", re.IGNORECASE)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Marks that still mean something in the middle of a line; an underscore within a word does not.
_MARKS = re.compile(r"([\\`*\[\]<>|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|!(?=\[)|^#)")


def clean_answer(text: str, *, base_url: str, known_addresses: Collection[str] = ()) -> str:
    """The text without images, tags and links that lead out of LUX; of a link the words stay, of an address nothing.

    `known_addresses` are addresses that LUX's own documents hold: they stay, as words.
    """
    text = without_invisible(clean_text(text.replace("\r\n", "\n"))).replace("\u2028", "\n").replace("\u2029", "\n")
    text = _TAG.sub("", text)
    text = _IMAGE.sub(lambda match: match[1], text)
    text = _DEFINITION.sub("", text)
    places: list[str] = []

    def keep(match: re.Match[str]) -> str:
        path = inside_path(match[2], base_url)
        if path is None:
            return match[1]
        places.append(f"({path})")
        return f"[{match[1]}]\ue000{len(places) - 1}\ue001"

    text = _LINK.sub(keep, text.replace("\ue000", "").replace("\ue001", ""))
    for address in sorted(find_addresses(text), key=len, reverse=True):
        if address not in known_addresses and not _is_inside(address, base_url):
            text = text.replace(address, REMOVED)
    # What still leads out when it is read once more, such as an address in percent signs, takes its whole line along.
    lines = text.split("\n")
    text = "\n".join(REMOVED if _leads_out(line, base_url, known_addresses) else line for line in lines)
    text = _SCHEME.sub(lambda match: match[0] if _begins_known(text, match, known_addresses) else "", text)
    return re.sub("\ue000(\\d+)\ue001", lambda match: places[int(match[1])], text)


def find_others(text: str, base_url: str, known_addresses: Collection[str] = ()) -> list[str]:
    """The addresses in a text that lead out of LUX."""
    return [one for one in find_addresses(text) if one not in known_addresses and not _is_inside(one, base_url)]


def _leads_out(line: str, base_url: str, known_addresses: Collection[str]) -> bool:
    readings = {line, unquote(line), html.unescape(line), unquote(html.unescape(line))}
    return any(find_others(reading, base_url, known_addresses) for reading in readings)


def finished_part(text: str) -> str:
    """As much of a text that is still growing as can be judged: without its last word and without an open bracket."""
    end = max(text.rfind(" "), text.rfind("\n")) + 1
    shown = text[:end]
    line = shown.rfind("\n") + 1
    opened = shown.find("[", line)
    while opened >= 0:
        closed = shown.find("]", opened)
        if closed < 0 or (shown[closed + 1 : closed + 2] == "(" and ")" not in shown[closed:]):
            return shown[: opened - 1 if shown[opened - 1 : opened] == "!" else opened]
        opened = shown.find("[", closed)
    tag = shown.rfind("<", line)
    return shown[:tag] if tag >= 0 and ">" not in shown[tag:] else shown


def quote_words(text: str, longest: int = 160) -> str:
    """A stranger's words for an answer: one line, no address, no mark of markdown that would still mean something."""
    line = without_orders(one_line(text))
    line = f"{line[: longest - 1]}…" if len(line) > longest else line
    for address in sorted(find_addresses(line), key=len, reverse=True):
        if not _FILE.fullmatch(address):
            line = line.replace(address, REMOVED)
    if any(_HOST.search(reading) for reading in (unquote(line), html.unescape(line)) if reading != line):
        return REMOVED
    return _MARKS.sub(r"\\\1", line)


def inside_path(target: str, base_url: str) -> str | None:
    """A link's target as a path of this LUX, or None when it leads anywhere else."""
    if not target or any(mark in target for mark in "\\\t\n\r") or re.search(r"[\x00-\x20\x7f]", target):
        return None
    try:
        parts, own = urlsplit(target), urlsplit(base_url)
    except ValueError:
        return None
    if parts.scheme or parts.netloc:
        if (parts.scheme, parts.netloc) != (own.scheme, own.netloc):
            return None
        target = target[len(f"{parts.scheme}://{parts.netloc}") :] or "/"
    is_path = target.startswith(("/", "#")) and not target.startswith("//")
    return target if is_path and re.fullmatch(r"[\w/#?=&.,%~:+@-]*", target) else None


def render_markdown(
    text: str,
    *,
    base_url: str,
    resolve: Callable[[str], str | None] | None = None,
    least_heading: int = 3,
    most_heading: int = 3,
) -> Markup:
    """Safe HTML of markdown. `resolve` makes a link's target a path of LUX, None leaves its words alone.

    Headings become h3 unless told otherwise: what is rendered stands within a page that has its own.
    """
    tokens = _MARKDOWN.parse(text)
    find = resolve or (lambda target: inside_path(target, base_url))
    _fit_headings(tokens, least_heading, most_heading)
    for token in tokens:
        if token.type == "inline" and token.children:
            token.children = _inside_links(token.children, find)
    cleaned = nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=KEPT_TAGS,
        attributes=KEPT_ATTRIBUTES,
        url_schemes=set(),
        link_rel=None,
    )
    return Markup(cleaned)  # noqa: S704 - nh3 has just cleaned it


def heading_id(words: str) -> str:
    """The name under which a heading is linked to, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


def _fit_headings(tokens: list[Token], least: int, most: int) -> None:
    """A page has its h1 already: headings keep between two levels; where levels differ they can be linked to."""
    taken: dict[str, int] = {}
    for token, following in itertools.pairwise(tokens):
        if token.type == "heading_open" and least != most:
            name = heading_id(following.content)
            taken[name] = taken.get(name, -1) + 1
            token.attrSet("id", f"{name}-{taken[name]}" if taken[name] else name)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(most, max(least, int(token.tag[1])))}"


def _inside_links(children: list[Token], find: Callable[[str], str | None]) -> list[Token]:
    kept: list[Token] = []
    opened: list[bool] = []
    for token in children:
        if token.type == "link_open":
            path = find(str(token.attrGet("href") or ""))
            opened.append(path is not None)
            if path is None:
                continue
            token.attrs = {"href": path}
        elif token.type == "link_close" and not opened.pop():
            continue
        kept.append(token)
    return kept


def _is_inside(address: str, base_url: str) -> bool:
    if _FILE.fullmatch(address):
        return True
    path = inside_path(address, base_url)
    if path is not None:
        return True
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        return parts.scheme in ("http", "https") and parts.username is None and parts.hostname in _LOOPBACK
    except ValueError:
        return False


def _begins_known(text: str, match: re.Match[str], known_addresses: Collection[str]) -> bool:
    rest = text[match.start() : match.start() + 300]
    is_loopback = re.match(r"https?://(?:localhost|127\.0\.0\.1)(?=[:/\s)`'\"]|$)", rest) is not None
    return is_loopback or any(rest.startswith(address) for address in known_addresses)
