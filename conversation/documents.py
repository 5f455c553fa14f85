"""The documents of this repository as people read them in LUX: README and docs/, found by words, one section each.

A new file in docs/ is found by itself.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from posixpath import normpath

from markupsafe import Markup

from lib.answer_markdown import heading_id, render_markdown

ROOT = Path(__file__).resolve().parent.parent
README = "readme"
ADDRESS = "/help"
MOST_HITS = 4
LONGEST_EXCERPT = 420
# Word of a question, word of the documents.
SAME = {
    "mail": "mail", "email": "mail", "emails": "mail", "mails": "mail", "smtp": "smtp", "newsletter": "campaign",
    "mailing": "campaign", "message": "campaign", "subscriber": "contact", "people": "contact", "person": "contact",
    "customer": "contact", "lead": "contact", "audience": "segment", "csv": "import", "upload": "import",
    "spreadsheet": "import", "excel": "import", "zap": "zapier", "openai": "ai", "gpt": "ai", "model": "ai",
    "chatgpt": "ai", "deploy": "install", "server": "server", "vps": "install", "setup": "set", "configure": "set",
    "config": "set", "configuration": "set", "password": "password", "permission": "role", "access": "role",
    "restore": "backup", "backup": "backup", "user": "user", "invite": "invit", "launch": "send", "error": "error",
    "bug": "error", "failure": "error", "log": "log", "monitor": "metric", "prometheus": "metric",
}  # fmt: skip
_STOP = re.compile(
    r"an?|and|any|are|as|at|be|by|can|could|do|does|for|from|get|give|has|have|how|i|in|is|it|me|my|need|of|on|or|our"
    r"|please|should|show|tell|that|the|their|them|there|this|to|us|use|using|want|was|we|what|when|where|which|who"
    r"|why|will|with|would|you|your|lux"
)
# Documents for people who work on LUX itself come after those for people who use it.
FOR_BUILDERS = ("contributing", "pages")
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_HEADING = re.compile(r"^(#{1,4}) +(.+?) *$")


@dataclass(frozen=True)
class Section:
    """A heading of a document and what stands under it."""

    document: str
    title: str
    heading: str
    text: str

    @property
    def url(self) -> str:
        anchor = f"#{heading_id(self.heading)}" if self.heading != self.title else ""
        return f"{ADDRESS}/{self.document}{anchor}"

    @property
    def label(self) -> str:
        title = "README" if self.document == README else self.title
        return title if self.heading == self.title else f"{title} › {self.heading}"


@dataclass(frozen=True)
class Document:
    """One file as it stands: its name in the address, its title, its markdown without the title."""

    name: str
    title: str
    text: str


@dataclass(frozen=True)
class Hit:
    """A section that was found. `score` is 1 when every word that was asked for is in it."""

    section: Section
    score: float
    excerpt: str


@dataclass(frozen=True)
class Index:
    """The words of every section, counted."""

    sections: tuple[Section, ...]
    words: tuple[Counter[str], ...]
    rarity: dict[str, float]


@cache
def list_documents(root: Path = ROOT) -> dict[str, Document]:
    """Every document by its name, the README first."""
    files = {README: root / "README.md"} | {path.stem: path for path in sorted((root / "docs").glob("*.md"))}
    return {name: _read(name, path) for name, path in files.items() if path.is_file()}


def find_document(name: str) -> Document | None:
    """The document of that name."""
    return list_documents().get(name)


def search_documents(question: str, most: int = MOST_HITS) -> list[Hit]:
    """The sections that fit a question best, the best first; none when too little of it is in any of them."""
    index = _index()
    wanted = list(dict.fromkeys(_words(question)))
    known = [word for word in wanted if word in index.rarity]
    if not known:
        return []
    whole = sum(index.rarity[word] for word in known) + 2.0 * (len(wanted) - len(known))
    hits = []
    for section, counted in zip(index.sections, index.words, strict=True):
        found = sum(index.rarity[word] * min(1.0, 0.55 + 0.15 * counted[word]) for word in known if counted[word])
        if found > 0:
            weight = 0.6 if section.document in FOR_BUILDERS else 1.0
            hits.append((weight * found / whole, section))
    hits.sort(key=lambda hit: -hit[0])
    return [Hit(section, score, _excerpt(section.text, known)) for score, section in hits[:most] if score >= 0.34]


@cache
def list_addresses(root: Path = ROOT) -> frozenset[str]:
    """Every outside address that the documents hold: an answer may say these."""
    texts = [document.text for document in list_documents(root).values()]
    return frozenset(
        match.rstrip(".,;:'\"`*)") for text in texts for match in re.findall(r"https?://[^\s<>)\"'`|]+", text)
    )


def render_document(document: Document, base_url: str) -> Markup:
    """The document as safe HTML: links to other documents lead to their pages here, links outward lose their target."""

    def resolve(target: str) -> str | None:
        path, _, anchor = target.partition("#")
        anchor = f"#{anchor}" if anchor and re.fullmatch(r"[\w-]+", anchor) else ""
        if not path:
            return anchor or None
        folder = "" if document.name == README else "docs"
        file = normpath(f"{folder}/{path}") if folder else normpath(path)
        name = README if file == "README.md" else file.removeprefix("docs/").removesuffix(".md")
        return f"{ADDRESS}/{name}{anchor}" if name in list_documents() else None

    return render_markdown(document.text, base_url=base_url, resolve=resolve, least_heading=2, most_heading=5)


def _read(name: str, path: Path) -> Document:
    lines = path.read_text(encoding="utf-8").splitlines()
    # Pictures are not served here; a table that only holds them goes with them.
    lines = [_IMAGE.sub("", line) for line in _without_picture_tables(lines)]
    first = _HEADING.match(lines[0]) if lines else None
    title = first[2] if first else name.replace("-", " ").title()
    return Document(name, title, "\n".join(lines[1:] if first else lines).strip("\n"))


def _without_picture_tables(lines: list[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if line.startswith("|") and _IMAGE.search(line):
            while kept and kept[-1].startswith("|"):
                kept.pop()
            continue
        kept.append(line)
    return kept


@cache
def _index() -> Index:
    sections = tuple(section for document in list_documents().values() for section in _sections(document))
    words = tuple(
        Counter(_words(section.text)) + Counter(_words(section.heading) * 6) + Counter(_words(section.title) * 2)
        for section in sections
    )
    spread = Counter(word for counted in words for word in counted)
    rarity = {word: math.log(1 + len(sections) / count) for word, count in spread.items()}
    return Index(sections, words, rarity)


def _sections(document: Document) -> list[Section]:
    found: list[Section] = []
    heading, lines, is_code = document.title, list[str](), False
    for line in [*document.text.splitlines(), "## "]:
        is_code ^= line.startswith("```")
        match = None if is_code else _HEADING.match(line) or (line == "## " and line)
        if match:
            text = "\n".join(lines).strip()
            if text:
                found.append(Section(document.name, document.title, heading, text))
            heading, lines = (match[2], []) if not isinstance(match, str) else (heading, [])
        else:
            lines.append(line)
    return found


def _words(text: str) -> list[str]:
    return [
        _stem(word) for word in re.findall(r"[a-z0-9_]+", text.lower()) if len(word) > 1 and not _STOP.fullmatch(word)
    ]


def _stem(word: str) -> str:
    """A word without its ending, as far as search needs: imports, importing and imported are import."""
    word = SAME.get(word, word)
    for ending in ("ings", "ing", "ied", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return SAME.get(word[: -len(ending)], word[: -len(ending)])
    return word.removesuffix("e") if len(word) > 4 else word


def _excerpt(text: str, wanted: list[str]) -> str:
    """The paragraphs that hold most of the words, as they stand, as far as there is room."""
    parts = [part for part in re.split(r"\n\s*\n", text) if part.strip()]
    ranked = sorted(range(len(parts)), key=lambda at: (-len(set(_words(parts[at])) & set(wanted)), at))
    chosen: list[int] = []
    length = 0
    for at in ranked:
        if chosen and length + len(parts[at]) > LONGEST_EXCERPT:
            continue
        chosen.append(at)
        length += len(parts[at])
        if length > LONGEST_EXCERPT:
            break
    return "\n\n".join(_shortened(parts[at]) for at in sorted(chosen))


def _shortened(part: str) -> str:
    """A paragraph cut at its lines; a table keeps its head, a block of code its fence."""
    lines = part.splitlines()
    if len(part) <= 2 * LONGEST_EXCERPT:
        return part
    kept: list[str] = []
    for line in lines:
        if kept and sum(map(len, kept)) + len(line) > 2 * LONGEST_EXCERPT:
            break
        kept.append(line)
    return "\n".join([*kept, "```"] if lines[0].startswith("```") and kept[-1] != "```" else kept)
