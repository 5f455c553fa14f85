"""Articles: the brief for a writer, and the article itself with title, slug, meta texts and questions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Card, Cards, Facts, Text
from agents.parts.brief_fields import Ask, Line, Link, Name, Prose, Told, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.playbook_words import allow_link, brand_words, lowered, slug_of, within
from agents.parts.result_parts import Lines, Part, show_lines
from agents.sources.marketing import read_brand, read_campaigns
from agents.sources.readings import gather, read_computed

ASIDES = (
    "Keep it in mind when you decide.",
    "If you are not sure what it means for you, ask us.",
    "It is worth a second look.",
    "Try it once by itself before you change anything else.",
)
AGENT_NAME = "Content & SEO"
FEWEST_WORDS = 250
TITLE_MOST, META_TITLE_MOST, META_TEXT_MOST = 90, 60, 155


class ArticleBrief(Part):
    """What the article is about."""

    topic: Annotated[Line, Ask("Topic", "What somebody would type who looks for it.")]
    reader: Annotated[Told, Ask("Who reads it?", "Empty: the audience of the brand page.", "text", rows=2)] = ""
    points: Annotated[
        Told,
        Ask("What must be in it?", "One thing in each line; only this and the brand page is stated.", "text", rows=5),
    ] = ""
    link: Annotated[Link, Ask("Link", "Where it leads at the end.", "link")] = ""


def read(brief: ArticleBrief) -> Context:
    """The brand, what people clicked, and the limits of search results."""
    facts = {"limits": {"meta_title": META_TITLE_MOST, "meta_description": META_TEXT_MOST, "title": TITLE_MOST}}
    limits = read_computed("limits", "Limits of search results", facts, "what is shown whole")
    return allow_link(gather((read_brand(), 0.8), (read_campaigns(), 0.2), (limits, 0.0)), brief.link)


def _reader(brief: ArticleBrief, context: Context) -> str:
    return lines_of(brief.reader)[0].rstrip(".") if lines_of(brief.reader) else brand_words(context).audience


# ── The brief for a writer ──


class WriterAnswer(Part):
    """What the model writes of a brief."""

    title: Annotated[Line, Field(max_length=TITLE_MOST)]
    reader: Line
    promise: Words
    questions: Lines
    outline: Annotated[list[Name], Field(min_length=3, max_length=9)]
    avoid: Lines


class WriterBrief(WriterAnswer):
    """The whole result."""

    slug: str


def _play_writer(brief: ArticleBrief, context: Context) -> WriterAnswer:
    brand = brand_words(context, brief.link)
    points = lines_of(brief.points)
    topic = brief.topic.rstrip(".?")
    return WriterAnswer(
        title=within(f"{topic}: what to know, from {brand.company}", TITLE_MOST),
        reader=within(_reader(brief, context), 200),
        promise=f"After reading, people know what matters about {lowered(topic)}, and what to do next.",
        questions=[
            f"What is {lowered(topic)}, in one sentence?",
            *(f"What about this: {lowered(point)}?" for point in points[:4]),
            "What do people get wrong?",
            "What is a good first step?",
        ],
        outline=[
            "The answer in three sentences",
            *(within(point, 80) for point in points[:5]),
            "Questions",
            "Next step",
        ],
        avoid=["Anything that the brand cannot prove."],
    )


def _show_writer(result: WriterBrief) -> list[Block]:
    return [
        Text(result.title, "Title"),
        Facts([("Reader", result.reader), ("Slug", result.slug)], "In short"),
        Text(result.promise, "Promise"),
        *show_lines(result.questions, "Questions to answer"),
        *show_lines(result.outline, "Outline"),
        *show_lines(result.avoid, "Avoid"),
    ]


EXAMPLES = (
    BriefExample(
        "A question people ask",
        "Answer it once, well.",
        {"topic": "How to brew green tea", "points": "The water must not boil\nTwo minutes are enough"},
    ),
    BriefExample("A comparison", "Help people choose.", {"topic": "Loose tea or bags", "points": "Taste\nWaste\nTime"}),
    BriefExample("Behind the scenes", "A story of the house.", {"topic": "Where our tea comes from"}),
)

CONTENT_BRIEF = make_task(
    key="content_brief",
    label="Content brief",
    verb="Write a brief for a writer",
    job="Write the brief for an article: title within its limit, reader in one line, promise, the questions that it "
    "must answer, the outline as short headings, and what to avoid.",
    brief=ArticleBrief,
    answer=WriterAnswer,
    result=WriterBrief,
    read=read,
    complete=lambda brief, _context, answer: WriterBrief(**answer.model_dump(), slug=slug_of(brief.topic)),
    playbook=_play_writer,
    show=_show_writer,
    summarise=lambda result: result.title,
    assume=lambda _brief, _context: ["LUX looks nothing up on the web: search volumes are not known."],
    examples=EXAMPLES,
)


# ── The article ──


class Question(Part):
    """A question and its answer."""

    question: Line
    answer: Words


class ArticleAnswer(Part):
    """What the model writes of an article."""

    title: Annotated[Line, Field(max_length=TITLE_MOST)]
    meta_title: Annotated[Line, Field(max_length=META_TITLE_MOST)]
    meta_description: Annotated[Line, Field(max_length=META_TEXT_MOST)]
    body: Prose
    faq: Annotated[list[Question], Field(min_length=2, max_length=6)]


class Article(ArticleAnswer):
    """The whole result."""

    slug: str
    link: str


def _play_article(brief: ArticleBrief, context: Context) -> ArticleAnswer:
    brand = brand_words(context, brief.link)
    topic = brief.topic.rstrip(".?")
    points = [point.rstrip(".") for point in lines_of(brief.points)] or [*brand.offer, *brand.proofs][:4]
    reader = _reader(brief, context)
    paragraphs = [
        f"This is for {lowered(reader)}. It says what matters about {lowered(topic)}, in the order in "
        "which it matters.",
        "**In short**",
        "\n".join(f"- {point}" for point in points[:6]),
        *(part for at, point in enumerate(points[:6]) for part in (f"**{within(point, 80)}**", _paragraph(point, at))),
        "**Where to go from here**",
        f"Begin with the first thing above, and change one thing at a time. {brand.company} is glad "
        "to answer questions.",
    ]
    return ArticleAnswer(
        title=within(f"{topic}: what matters, plainly said", TITLE_MOST),
        meta_title=within(f"{topic} | {brand.company}", META_TITLE_MOST),
        meta_description=within(
            f"{topic}, plainly said: {'; '.join(points[:3])}. From {brand.company}.", META_TEXT_MOST
        ),
        body="\n\n".join(paragraphs)[:6000],
        faq=[
            Question(question="What matters most?", answer=f"{points[0]}."),
            Question(question="Where should I begin?", answer="With one thing. The rest is easier after it."),
        ],
    )


def _paragraph(point: str, at: int) -> str:
    """A point as a paragraph: nothing is stated beside it."""
    return f"{point}. {ASIDES[at % len(ASIDES)]}"


def _check_article(_brief: ArticleBrief, _context: Context, article: Article) -> list[Check]:
    words = len(article.body.split())
    if words < FEWEST_WORDS:
        detail = f"{words} words. Add to each point what you would tell somebody who asks; readers want {FEWEST_WORDS}."
        return [Check("length", "Length", "warn", detail)]
    return [Check("length", "Length", "pass", f"{words} words.")]


def _propose_article(_brief: ArticleBrief, _context: Context, article: Article) -> list[ProposedAction]:
    link = f"\n\n[{article.link}]({article.link})" if article.link else ""
    return [
        ProposedAction(
            action="draft_article",
            title=f"Article “{article.title}”"[:120],
            payload={
                "title": article.title,
                "slug": article.slug,
                "meta_title": article.meta_title,
                "meta_description": article.meta_description,
                "body": f"{article.body}{link}",
                "faq": [one.model_dump() for one in article.faq],
                "made_by": AGENT_NAME,
            },
            reason=article.meta_description[:300],
            effect=f"A draft of {len(article.body.split()):,} words in Articles, with preview, versions and export.",
            slot="article",
        )
    ]


def _show_article(article: Article) -> list[Block]:
    return [
        Text(article.title, "Title"),
        Facts(
            [
                ("Slug", article.slug),
                ("Meta title", article.meta_title),
                ("Meta description", article.meta_description),
                ("Leads to", article.link or "–"),
            ],
            "For search results",
        ),
        Text(article.body, "Article"),
        Cards([Card(one.question, one.answer) for one in article.faq], "Questions"),
    ]


ARTICLE = make_task(
    key="article",
    label="Article",
    verb="Write an article",
    job="Write an article of 400 to 800 words in markdown with **bold** headings and lists. Answer the question in "
    "the first three sentences. State only what the brief and the brand page say. title, meta_title and "
    "meta_description within the limits in the data. faq: two to six questions that people really ask.",
    brief=ArticleBrief,
    answer=ArticleAnswer,
    result=Article,
    read=read,
    complete=lambda brief, context, answer: Article(
        **answer.model_dump(), slug=slug_of(brief.topic), link=brand_words(context, brief.link).link
    ),
    playbook=_play_article,
    checks=_check_article,
    show=_show_article,
    summarise=lambda article: f"{article.title}: {len(article.body.split())} words.",
    propose=_propose_article,
    assume=lambda brief, _context: [
        "LUX has no website of its own: approved, the article is a draft to export and publish elsewhere.",
        *([] if brief.points else ["You named no points, so the article leans on the brand page."]),
    ],
    examples=EXAMPLES,
    longest_answer_tokens=4500,
)
