"""An audit of a page that a person pastes: code looks at its HTML, the model words what it found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Annotated

from pydantic import StringConstraints

from agents.base import BriefExample, Check, Context
from agents.parts.blocks import Block
from agents.parts.brief_fields import Ask, Clean, ToldLine
from agents.parts.documents import make_task
from agents.parts.report_tasks import cut
from agents.parts.result_parts import (
    REPORT_JOB,
    Finding,
    Part,
    Report,
    ReportAnswer,
    make_figure,
    make_table,
    show_report,
    summarise_report,
    write_report,
)
from agents.sources.marketing import read_brand
from agents.sources.readings import Reading, counted, gather, make_reading
from lib.readability import measure_reading_ease

TITLE_RANGE, META_RANGE, FEWEST_WORDS, HARD_EASE = (20, 60), (70, 155), 200, 45


class AuditBrief(Part):
    """The page."""

    term: Annotated[ToldLine, Ask("Which search is it for?", "The words it should be found by.")] = ""
    html: Annotated[
        str,
        Clean,
        StringConstraints(min_length=20, max_length=200_000),
        Ask(
            "The page's HTML",
            "Copy it from the browser (view source) and paste it here. LUX fetches nothing.",
            "text",
            rows=10,
            is_foreign=True,
            is_for_code=True,
        ),
    ]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = self.description = self.language = ""
        self.first: list[str] = []
        self.second: list[str] = []
        self.images = self.bare_images = self.links = 0
        self.words: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = given.get("lang", "")
        elif tag == "meta" and given.get("name", "").lower() == "description":
            self.description = given.get("content", "")
        elif tag == "img":
            self.images += 1
            self.bare_images += "alt" not in given
        elif tag == "a" and given.get("href"):
            self.links += 1
        if tag in ("title", "h1", "h2", "script", "style"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        place = self._open[-1] if self._open else ""
        text = " ".join(data.split())
        if not text or place in ("script", "style"):
            return
        if place == "title":
            self.title += text
            return
        if place in ("h1", "h2"):
            (self.first if place == "h1" else self.second).append(text)
        self.words.append(text)


@dataclass(frozen=True)
class Flaw:
    """Something that is not as it should be."""

    check: str
    severity: str
    found: str
    fix: str


def read(brief: AuditBrief) -> Context:
    """The page as code sees it; the page's own words do not reach the model, only what was found."""
    return gather((_read_page(brief), 0.9), (read_brand(), 0.1))


def _read_page(brief: AuditBrief) -> Reading:
    parser = _Parser()
    parser.feed(brief.html)
    text = " ".join(parser.words)
    ease = measure_reading_ease(text)
    page = {
        "title_characters": len(parser.title),
        "description_characters": len(parser.description),
        "h1": len(parser.first),
        "h2": len(parser.second),
        "words": len(text.split()),
        "images": parser.images,
        "images_without_alt": parser.bare_images,
        "links": parser.links,
        "reading_ease": None if ease is None else round(ease),
    }
    limits = {
        "title_from": TITLE_RANGE[0],
        "title_to": TITLE_RANGE[1],
        "description_from": META_RANGE[0],
        "description_to": META_RANGE[1],
        "fewest_words": FEWEST_WORDS,
        "hard_ease": HARD_EASE,
    }
    flaws = _list_flaws(brief, parser, page)
    rows = [{"check": one.check, "severity": one.severity, "found": one.found, "fix": one.fix} for one in flaws]
    facts = {"page": page, "limits": limits, "flaws": rows}
    value = f"{len(rows)} flaws, {page['words']:,} words"
    return make_reading("page", "The page", value, facts, how="by the HTML that was pasted")


def _list_flaws(brief: AuditBrief, parser: _Parser, page: dict[str, int | None]) -> list[Flaw]:
    flaws = []
    title, description, words = len(parser.title), len(parser.description), int(page["words"] or 0)
    if not TITLE_RANGE[0] <= title <= TITLE_RANGE[1]:
        flaws.append(Flaw("Title", "high", f"{title} characters", "20 to 60 characters are shown whole."))
    if not META_RANGE[0] <= description <= META_RANGE[1]:
        flaws.append(
            Flaw("Description", "medium", f"{description} characters", "70 to 155 characters; say what one finds.")
        )
    if len(parser.first) != 1:
        flaws.append(
            Flaw("Main heading", "high", f"{len(parser.first)} h1", "One h1 that says what the page is about.")
        )
    if not parser.second and words >= FEWEST_WORDS:
        flaws.append(Flaw("Headings", "medium", "no h2", "Part the text, so that it can be skimmed."))
    if words < FEWEST_WORDS:
        flaws.append(Flaw("Length", "medium", f"{words} words", "Answer the question whole; 200 words are few."))
    if parser.bare_images:
        flaws.append(Flaw("Pictures", "medium", f"{parser.bare_images} without alt", "Say what each one shows."))
    if not parser.language:
        flaws.append(Flaw("Language", "low", "no lang", "Put lang on the html element."))
    if page["reading_ease"] is not None and page["reading_ease"] < HARD_EASE:
        flaws.append(Flaw("Reading", "low", f"ease {page['reading_ease']}", "Shorter sentences."))
    term = brief.term.lower().strip()
    if (
        term
        and term not in parser.title.lower()
        and not all(word in parser.title.lower() for word in re.findall(r"\w+", term))
    ):
        flaws.append(Flaw("Search words", "high", "not in the title", "Put the words of the search into the title."))
    order = {"high": 0, "medium": 1, "low": 2}
    return sorted(flaws, key=lambda one: order[one.severity])


def complete(_brief: AuditBrief, context: Context, answer: ReportAnswer) -> Report:
    """The words with what code found."""
    page = context.facts["page"]
    rows = [(one["check"], one["severity"], one["found"], one["fix"]) for one in context.facts["flaws"]]
    table = make_table("Flaws", ("Check", "Severity", "Found", "Fix"), rows, empty="Nothing was found.")
    figures = [
        make_figure("Words", page["words"], "page"),
        make_figure("Title", page["title_characters"], "page", note="characters"),
        make_figure("Description", page["description_characters"], "page", note="characters"),
        make_figure("Pictures without alt", page["images_without_alt"], "page"),
    ]
    return Report(**answer.model_dump(), figures=figures, tables=[table])


def playbook(_brief: AuditBrief, context: Context) -> ReportAnswer:
    """The flaws as findings."""
    findings = [
        Finding(title=cut(one["check"]), what=f"Found: {one['found']}. Severity: {one['severity']}.", do=one["fix"])
        for one in context.facts["flaws"]
    ]
    calm = Finding(
        title="Sound", what="Title, description, headings, pictures and length are as they should be.", do="Nothing."
    )
    return write_report(
        findings,
        good="The page is sound.",
        bad=f"The page has {counted(len(findings), 'flaw')}; the grave ones come first.",
        calm=calm,
    )


def check(_brief: AuditBrief, _context: Context, report: Report) -> list[Check]:
    """Whether the words are about the page at all."""
    return [Check("page", "The page", "pass", f"{len(report.tables[0].rows)} flaws were found by code.")]


def show(report: Report) -> list[Block]:
    """The audit for page and document."""
    return show_report(report)


GOOD_PAGE = (
    '<html lang="en"><head><title>How to brew green tea without bitterness</title>'
    '<meta name="description" content="Water that does not boil, two minutes, one spoon: how to brew '
    "green tea so that it "
    'stays sweet and clear."></head><body><h1>How to brew green tea</h1><p>Use water that has cooled '
    "a little.</p></body></html>"
)

PAGE_AUDIT = make_task(
    key="page_audit",
    label="On-page audit",
    verb="Audit a page",
    job=f"Word the audit of a web page. The flaws were found by code and stand in the data. {REPORT_JOB}",
    brief=AuditBrief,
    answer=ReportAnswer,
    result=Report,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    show=show,
    summarise=summarise_report,
    assume=lambda _brief, _context: ["Only the HTML that was pasted was read: speed, links and ranks are not known."],
    examples=(
        BriefExample("A short page", "What is missing?", {"term": "brew green tea", "html": GOOD_PAGE}),
        BriefExample(
            "A bare page", "No title, no headings.", {"html": "<html><body><p>Welcome to our shop.</p></body></html>"}
        ),
        BriefExample(
            "Pictures",
            "Are they described?",
            {"html": "<html><title>Shop</title><img src=a><img src=b alt=Tea></html>"},
        ),
    ),
)
