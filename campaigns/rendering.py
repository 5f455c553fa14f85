"""A campaign's content made into a mail, once: headers, text part, HTML part, with the places of values left open."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from html import escape, unescape
from typing import Any

import css_inline
from markupsafe import Markup

from campaigns.blocks import TEMPLATES, BlockWriter
from campaigns.content import Content, read_content, walk_texts
from campaigns.mail_brand import MailBrand
from campaigns.mail_links import (
    CLICK_PATH,
    OPEN_PATH,
    PREFERENCES_PATH,
    UNSUBSCRIBE_PATH,
    VIEW_PATH,
    find_url_problem,
)
from campaigns.merge_values import SAMPLE_VALUES, is_merge_value
from lib.mail_headers import encode_address
from lib.mail_template import MailTemplate, Mark, Piece, Slot, fill_pieces
from lib.mail_text import convert_to_text
from lib.merge_tags import HeaderRefused, MergeTag, Part, find_merge_problems, split_merge_tags

_A = re.compile(r'(<a\b[^>]*?\bhref=")([^"]*)("[^>]*>)(.*?)(?=</a>)', re.S)
_HTML_TAG = re.compile(r"<[a-zA-Z/!][^\"'>]*(?:\"[^\"]*\"[^\"'>]*)*>")
_ANY_TAG = re.compile(r"<[^>]*>")
_ATTRIBUTE_BEFORE = re.compile(r'([a-zA-Z-]+)="[^"]*$')
_ADDRESS_BEFORE = re.compile(r"\b(?:https?|mailto|tel):\S*\Z")
LINK = "@link."
PIXEL, UNSUBSCRIBE, PREFERENCES, VIEW = "@open", "@unsubscribe", "@preferences", "@view"
TO, DATE, MESSAGE_ID = "@to", "@date", "@message_id"
TRAP_NUMBER = 0


@dataclass(frozen=True)
class ContentProblem:
    """Something in the content that would not work: the path of the field and a sentence."""

    path: str
    text: str


@dataclass(frozen=True)
class CompiledLink:
    """A link whose clicks are counted; `url` is where it leads, merge tags included. Number 0 is the trap."""

    number: int
    url: str
    label: str
    is_honeypot: bool = False


@dataclass(frozen=True)
class Preview:
    """A mail as one person would see it, with links that lead straight to their targets."""

    subject: str
    preheader: str
    html: str
    text: str


@dataclass(frozen=True)
class CompiledCampaign:
    """A mail with its open places. It can be stored as JSON and read back: a deploy changes no running campaign."""

    subject: list[Piece]
    html: list[Piece]
    text: list[Piece]
    links: list[CompiledLink]
    brand: MailBrand
    from_name: str = ""
    reply_to: str = ""
    preheader: str = ""
    problems: list[ContentProblem] = field(default_factory=list)

    @property
    def merge_tags(self) -> list[MergeTag]:
        """Each merge tag once, in the order in which they stand."""
        slots = [p for p in [*self.subject, *self.html, *self.text] if isinstance(p, Slot) and p.part is not Mark.READY]
        tags = [MergeTag(slot.name, slot.fallback) for slot in slots]
        for link in self.links:
            tags += [piece for piece in split_merge_tags(link.url, is_merge_value) if isinstance(piece, MergeTag)]
        return list(dict.fromkeys(tags))

    @property
    def size_bytes(self) -> int:
        """How large the HTML part is without values: Gmail cuts at 102 KB."""
        return sum(len(piece.encode()) if isinstance(piece, str) else 40 for piece in self.html)

    def missing_values(self, values: Mapping[str, str]) -> list[str]:
        """Names of values that this person lacks and that have no fallback."""
        return [tag.name for tag in self.merge_tags if not tag.has_fallback and not values.get(tag.name)]

    def preview(self, values: Mapping[str, str] | None = None) -> Preview:
        """The mail as a person with these values sees it. Raises HeaderRefused for a line break in the subject."""
        values = SAMPLE_VALUES if values is None else values
        marks = dict.fromkeys((PIXEL, UNSUBSCRIBE, PREFERENCES, VIEW), b"preview")
        marks |= {f"{LINK}{link.number}": str(link.number).encode() for link in self.links}
        html = fill_pieces(self.html, values, marks)
        text = fill_pieces(self.text, values, marks)
        base = self.brand.public_url
        for link in self.links:
            target = "" if link.is_honeypot else fill_link(link.url, values)
            html = html.replace(f'"{base}{CLICK_PATH}{link.number}"', f'"{escape(target)}"')
            shown = re.compile(re.escape(f"{base}{CLICK_PATH}{link.number}") + r"\b")
            text = shown.sub(lambda _, target=target: target, text)  # type: ignore[misc]  # bound now, not later
        html = html.replace(f'src="{base}{OPEN_PATH}preview"', 'src="data:,"')
        for path in (UNSUBSCRIBE_PATH, PREFERENCES_PATH, VIEW_PATH):
            html = html.replace(f'"{base}{path}preview"', '"#"')
        return Preview(fill_pieces(self.subject, values, {}), self.preheader, html, text)

    def render_html(self, values: Mapping[str, str], marks: Mapping[str, bytes]) -> str:
        """The HTML part of one recipient, for the page in the browser."""
        return fill_pieces(self.html, values, marks)

    def make_template(self, feedback_id: str) -> MailTemplate:
        """The message as bytes with splice points. Raises HeaderRefused where a header cannot be written."""
        brand = self.brand
        base = brand.public_url
        headers: list[tuple[str, list[Piece]]] = [
            ("To", ["<", Slot(TO, Mark.READY), ">"]),
            ("Subject", self.subject),
            ("Date", [Slot(DATE, Mark.READY)]),
            ("Message-ID", ["<", Slot(MESSAGE_ID, Mark.READY), f"@{brand.sender_domain}>"]),
            ("List-Unsubscribe", [f"<{base}{UNSUBSCRIBE_PATH}", Slot(UNSUBSCRIBE, Mark.READY), ">"]),
            ("List-Unsubscribe-Post", ["List-Unsubscribe=One-Click"]),
            ("Feedback-ID", [f"{feedback_id}:{brand.sender_domain}"]),
        ]
        addresses = [("From", encode_address(self.from_name or brand.sender_name, brand.sender_address, 6))]
        if self.reply_to:
            addresses.append(("Reply-To", encode_address("", self.reply_to, 10)))
        return MailTemplate([*addresses, *headers], text=self.text, html=self.html)

    def to_json(self) -> dict[str, Any]:
        """Everything, for Campaign.compiled."""
        return {
            "subject": [_piece_to_json(piece) for piece in self.subject],
            "html": [_piece_to_json(piece) for piece in self.html],
            "text": [_piece_to_json(piece) for piece in self.text],
            "links": [asdict(link) for link in self.links],
            "brand": asdict(self.brand),
            "from_name": self.from_name,
            "reply_to": self.reply_to,
            "preheader": self.preheader,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CompiledCampaign:
        """What to_json gave."""
        return cls(
            subject=[_piece_from_json(piece) for piece in stored["subject"]],
            html=[_piece_from_json(piece) for piece in stored["html"]],
            text=[_piece_from_json(piece) for piece in stored["text"]],
            links=[CompiledLink(**link) for link in stored["links"]],
            brand=MailBrand(**stored["brand"]),
            from_name=stored["from_name"],
            reply_to=stored["reply_to"],
            preheader=stored["preheader"],
        )


def render_campaign(
    content: Content | Mapping[str, Any], brand: MailBrand, *, is_tracked: bool = True
) -> CompiledCampaign:
    """Compiles the content. Problems are collected in `problems`; raises InputInvalid only where the shape is wrong."""
    content = content if isinstance(content, Content) else read_content(content)
    return _Compilation(content, brand, is_tracked=is_tracked).compile()


def fill_link(url: str, values: Mapping[str, str]) -> str:
    """Where a link leads for one person, its values escaped; empty where the result would be no fit address."""
    pieces = [_slot(p, Part.URL) if isinstance(p, MergeTag) else p for p in split_merge_tags(url, is_merge_value)]
    filled = fill_pieces(pieces, values, {})
    return "" if find_url_problem(filled) else filled


class _Compilation:
    """One run of the compiler: placeholders, links and problems found on the way."""

    def __init__(self, content: Content, brand: MailBrand, *, is_tracked: bool) -> None:
        self._content = content
        self._brand = brand
        self._is_tracked = is_tracked
        self._nonce = f"lux{secrets.token_hex(6)}"
        self._slots: list[Slot] = []
        self._links: dict[str, CompiledLink] = {}
        self._problems: list[ContentProblem] = []
        self._placeholder = re.compile(rf"{self._nonce}t(\d+)z")

    def compile(self) -> CompiledCampaign:
        content, brand = self._content, self._brand
        self._find_tag_problems()
        writer = BlockWriter(self._protect, self._restore, self._complain, self._footer())
        body = self._track(writer.write(content.blocks))
        html = self._document(body)
        text = self._protect(content.text) + self._text_footer() if content.text.strip() else convert_to_text(body)
        trap = [CompiledLink(TRAP_NUMBER, brand.public_url, "", is_honeypot=True)] if self._is_tracked else []
        return CompiledCampaign(
            subject=self._split(self._protect(content.subject), Part.HEADER),
            html=self._split_html(html),
            text=self._split(text, Part.TEXT),
            links=[*trap, *self._links.values()],
            brand=brand,
            from_name=content.from_name,
            reply_to=content.reply_to,
            preheader=content.preheader,
            problems=self._problems,
        )

    def _document(self, body: str) -> str:
        brand, base = self._brand, self._brand.public_url
        css = TEMPLATES.get_template("mail.css").render(
            accent_color=brand.accent, button_color=brand.text_on_accent, link_color=brand.link_color
        )
        document = TEMPLATES.get_template("message.html").render(
            lang="en",
            subject=self._protect(self._content.subject),
            preheader=self._protect(self._content.preheader),
            css=Markup(css),  # noqa: S704 - our own style sheet
            company=brand.company,
            body=Markup(body),  # noqa: S704 - our own templates, their values escaped
            trap_url=f"{base}{CLICK_PATH}{self._mark(f'{LINK}{TRAP_NUMBER}')}" if self._is_tracked else "",
            pixel_url=f"{base}{OPEN_PATH}{self._mark(PIXEL)}" if self._is_tracked else "",
        )
        return css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False).inline(document)

    def _footer(self) -> dict[str, str]:
        brand, base = self._brand, self._brand.public_url
        return {
            "company": brand.company,
            "postal_address": brand.postal_address,
            "unsubscribe_url": f"{base}{UNSUBSCRIBE_PATH}{self._mark(UNSUBSCRIBE)}",
            "preferences_url": f"{base}{PREFERENCES_PATH}{self._mark(PREFERENCES)}",
            "view_url": f"{base}{VIEW_PATH}{self._mark(VIEW)}",
        }

    def _text_footer(self) -> str:
        footer = self._footer()
        who = "\n".join(line for line in (footer["company"], footer["postal_address"]) if line)
        return f"\n\n-- \n{who}\nUnsubscribe: {footer['unsubscribe_url']}\nView in browser: {footer['view_url']}\n"

    # ── placeholders ──

    def _placed(self, slot: Slot) -> str:
        self._slots.append(slot)
        return f"{self._nonce}t{len(self._slots) - 1}z"

    def _mark(self, name: str) -> str:
        return self._placed(Slot(name, Mark.READY))

    def _protect(self, text: str) -> str:
        pieces = split_merge_tags(text, is_merge_value)
        return "".join(piece if isinstance(piece, str) else self._placed(_slot(piece, Part.TEXT)) for piece in pieces)

    def _restore(self, text: str) -> str:
        """The author's spelling again."""
        return self._placeholder.sub(lambda match: _spelled(self._slots[int(match[1])]), text)

    def _complain(self, path: str, text: str) -> None:
        self._problems.append(ContentProblem(path, text))

    def _find_tag_problems(self) -> None:
        for path, text in walk_texts(self._content):
            for problem in find_merge_problems(text, is_merge_value):
                self._complain(path, problem)

    # ── links ──

    def _track(self, body: str) -> str:
        """Each web link led through LUX, so that its click is counted."""
        return _A.sub(self._tracked, body) if self._is_tracked else body

    def _tracked(self, match: re.Match[str]) -> str:
        url = self._restore(unescape(match[2]))
        own = any(self._slots[int(found[1])].part is Mark.READY for found in self._placeholder.finditer(match[2]))
        if own or not url.lower().startswith(("http://", "https://")):
            return match[0]
        label = self._restore(unescape(_ANY_TAG.sub("", match[4]))).strip()[:200]
        link = self._links.setdefault(url, CompiledLink(len(self._links) + 1, url, label))
        target = f"{self._brand.public_url}{CLICK_PATH}{self._mark(f'{LINK}{link.number}')}"
        return f"{match[1]}{target}{match[3]}{match[4]}"

    # ── splitting ──

    def _split(self, text: str, part: Part) -> list[Piece]:
        return self._cut(text, lambda _: part)

    def _split_html(self, html: str) -> list[Piece]:
        tags = [(match.start(), match.end()) for match in _HTML_TAG.finditer(html)]

        def part_at(position: int) -> Part:
            inside = next((start for start, end in tags if start < position < end), None)
            if inside is None:
                return Part.HTML
            named = _ATTRIBUTE_BEFORE.search(html[inside:position])
            if named is None:
                raise HeaderRefused("A merge tag stands where no value can stand.")
            return Part.URL if named[1].lower() in ("href", "src") else Part.ATTRIBUTE

        return self._cut(html, part_at)

    def _cut(self, text: str, part_at: Callable[[int], Part]) -> list[Piece]:
        pieces: list[Piece] = []
        end = 0
        for match in self._placeholder.finditer(text):
            slot = self._slots[int(match[1])]
            if match.start() > end:
                pieces.append(text[end : match.start()])
            if slot.part is not Mark.READY:
                is_address = _ADDRESS_BEFORE.search(text, 0, match.start()) is not None
                part = part_at(match.start())
                slot = Slot(slot.name, Part.URL if part is Part.TEXT and is_address else part, slot.fallback)
            pieces.append(slot)
            end = match.end()
        if end < len(text):
            pieces.append(text[end:])
        return pieces


def _slot(tag: MergeTag, part: Part) -> Slot:
    return Slot(tag.name, part, tag.fallback)


def _spelled(slot: Slot) -> str:
    return f"{{{{{slot.name}|{slot.fallback}}}}}" if slot.fallback is not None else f"{{{{{slot.name}}}}}"


def _piece_to_json(piece: Piece) -> str | list[str | None]:
    return piece if isinstance(piece, str) else [piece.name, piece.part.value, piece.fallback]


def _piece_from_json(stored: str | list[Any]) -> Piece:
    if isinstance(stored, str):
        return stored
    name, part, fallback = stored
    return Slot(name, Mark.READY if part == Mark.READY.value else Part(part), fallback)
