"""What an article consists of: title, address, words for search results, text in markdown, questions with answers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from errors import InputInvalid
from lib.article_markdown import count_words
from lib.clean_text import clean_text, one_line

# What search results show whole.
META_TITLE_MOST, META_TEXT_MOST, TITLE_MOST, SLUG_MOST = 60, 155, 90, 70
LONGEST_LINE, LONGEST_TEXT, MOST_QUESTIONS = 300, 100_000, 12
FEWEST_WORDS = 250
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class Question(BaseModel):
    """A question and its answer."""

    model_config = ConfigDict(extra="ignore")

    question: str = ""
    answer: str = ""


class ArticleContent(BaseModel):
    """One state of an article. More than fits is kept: nothing typed is lost, the checks say what is too long."""

    model_config = ConfigDict(extra="ignore")

    title: str = ""
    slug: str = ""
    meta_title: str = ""
    meta_description: str = ""
    body: str = ""
    faq: list[Question] = Field(default_factory=list)


@dataclass(frozen=True)
class ArticleCheck:
    """One thing that was looked at. A blocker keeps an article from being planned."""

    kind: Literal["blocker", "warning", "good"]
    field: str
    text: str


def read_article_content(raw: Mapping[str, Any]) -> ArticleContent:
    """The content as typed and cleaned values. Raises InputInvalid for what is far too long."""
    content = ArticleContent.model_validate(dict(raw))
    for name in ("title", "slug", "meta_title", "meta_description"):
        setattr(content, name, one_line(getattr(content, name)))
    content.body = clean_text(content.body.replace("\r\n", "\n")).strip()
    questions = [
        Question(question=one_line(one.question), answer=clean_text(one.answer.replace("\r\n", "\n")).strip())
        for one in content.faq
    ]
    content.faq = [one for one in questions if one.question or one.answer]
    _refuse_endless(content)
    return content


def check_article(content: ArticleContent) -> list[ArticleCheck]:
    """What stands in the way, what would be better, what is fine."""
    checks = [*_check_lines(content), *_check_body(content)]
    return sorted(checks, key=lambda check: ("blocker", "warning", "good").index(check.kind))


def find_article_blockers(content: ArticleContent) -> dict[str, str]:
    """The blockers by field."""
    return {check.field: check.text for check in reversed(check_article(content)) if check.kind == "blocker"}


def slug_for(title: str) -> str:
    """A title as the last part of an address."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:SLUG_MOST].strip("-") or "article"


def read_questions(questions: Sequence[str], answers: Sequence[str]) -> list[dict[str, str]]:
    """Questions and answers of a form, side by side."""
    pairs = zip(questions, answers, strict=False)
    return [{"question": question, "answer": answer} for question, answer in pairs]


def _refuse_endless(content: ArticleContent) -> None:
    fields = {
        name: f"Keep this within {LONGEST_LINE} characters."
        for name in ("title", "slug", "meta_title", "meta_description")
        if len(getattr(content, name)) > LONGEST_LINE
    }
    if len(content.body) > LONGEST_TEXT:
        fields["body"] = f"Keep the text within {LONGEST_TEXT:,} characters."
    if len(content.faq) > MOST_QUESTIONS:
        fields["faq"] = f"Keep it to {MOST_QUESTIONS} questions."
    if any(len(one.question) > LONGEST_LINE or len(one.answer) > LONGEST_TEXT // 10 for one in content.faq):
        fields["faq"] = f"Keep questions within {LONGEST_LINE} characters, and answers within {LONGEST_TEXT // 10:,}."
    if fields:
        raise InputInvalid(fields)


def _check_lines(content: ArticleContent) -> list[ArticleCheck]:
    checks = []
    lines = (
        ("title", "The title", content.title, TITLE_MOST),
        ("meta_title", "The title for search results", content.meta_title, META_TITLE_MOST),
        ("meta_description", "The description for search results", content.meta_description, META_TEXT_MOST),
    )
    for field, label, value, most in lines:
        if not value:
            checks.append(ArticleCheck("blocker", field, f"{label} is missing."))
        elif len(value) > most:
            checks.append(ArticleCheck("blocker", field, f"{label} has {len(value)} characters; {most} fit."))
        else:
            checks.append(ArticleCheck("good", field, f"{label}: {len(value)} of {most} characters."))
    if not _SLUG.fullmatch(content.slug) or len(content.slug) > SLUG_MOST:
        said = f"The slug is made of small letters, digits and hyphens, {SLUG_MOST} at most, such as green-tea."
        checks.append(ArticleCheck("blocker", "slug", said))
    return checks


def _check_body(content: ArticleContent) -> list[ArticleCheck]:
    words = count_words(content.body)
    checks = [ArticleCheck("good", "body", f"{words:,} words.")]
    if not words:
        checks = [ArticleCheck("blocker", "body", "The article has no text yet.")]
    elif words < FEWEST_WORDS:
        checks = [
            ArticleCheck("warning", "body", f"{words} words; readers who look for an answer want {FEWEST_WORDS}.")
        ]
    if re.search(r"!\[\s*\]\(", content.body):
        checks.append(ArticleCheck("blocker", "body", "A picture has no alt text: write what it shows in the [ ]."))
    if any(not one.question or not one.answer for one in content.faq):
        checks.append(ArticleCheck("blocker", "faq", "A question has no answer, or an answer no question."))
    return checks
