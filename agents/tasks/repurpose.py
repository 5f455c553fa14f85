"""One text made into others: a letter, posts, a summary; nothing is added that the text does not say."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Card, Cards, Text
from agents.parts.brief_fields import Ask, Clean, Key, Line, Link, Prose, Words
from agents.parts.documents import make_task
from agents.parts.playbook_words import allow_link, brand_words, within
from agents.parts.result_parts import Part
from agents.sources.marketing import read_brand
from agents.sources.readings import gather, read_computed
from lib.networks import NETWORKS, add_utm, get_network
from lib.post_texts import compose_post, count_post


class RepurposeBrief(Part):
    """The text."""

    title: Annotated[Line, Ask("Title", "What the text is called.")]
    text: Annotated[
        str,
        Clean,
        StringConstraints(min_length=60, max_length=20_000),
        Ask("The text", "Paste the whole text: an article, a talk, a letter.", "text", rows=10),
    ]
    link: Annotated[Link, Ask("Link", "Where the whole text stands.", "link")] = ""


class Post(Part):
    """A post for one network."""

    network: Key
    text: Prose


class RepurposeAnswer(Part):
    """What the model writes."""

    summary: Words
    email_subject: Annotated[Line, Field(max_length=90)]
    email_text: Prose
    posts: Annotated[list[Post], Field(min_length=2, max_length=5)]


class Repurposed(RepurposeAnswer):
    """The whole result: each post with its link."""

    links: list[str]


def read(brief: RepurposeBrief) -> Context:
    """The brand, and what networks take."""
    facts = {"networks": [{"network": one.key, "longest_post": one.longest} for one in NETWORKS]}
    limits = read_computed("networks", "Limits of networks", facts, "as their help pages say")
    return allow_link(gather((read_brand(), 1.0), (limits, 0.0)), brief.link)


def complete(brief: RepurposeBrief, context: Context, answer: RepurposeAnswer) -> Repurposed:
    """The words with their links."""
    link = brand_words(context, brief.link).link
    links = [add_utm(link, source=one.network, medium="social", campaign=brief.title) for one in answer.posts]
    return Repurposed(**answer.model_dump(), links=links)


def _room(key: str, link: str, title: str) -> int:
    """How much text a network takes beside the link."""
    network, whole = get_network(key), add_utm(link, source=key, medium="social", campaign=title)
    return network.longest - count_post(network, compose_post(network, "", (), whole)) - 2


def playbook(brief: RepurposeBrief, context: Context) -> RepurposeAnswer:
    """The text's own first sentences, cut to what each place takes."""
    brand = brand_words(context, brief.link)
    sentences = [one.strip() for one in brief.text.replace("\n", " ").split(". ") if one.strip()]
    lead = ". ".join(sentences[:2]).rstrip(".") + "."
    posts = [
        Post(
            network=key,
            text=within(f"{brief.title.rstrip('.')}. {lead}", min(_room(key, brand.link, brief.title), 600) - 40),
        )
        for key in ("linkedin", "x", "facebook")
    ]
    return RepurposeAnswer(
        summary=within(". ".join(sentences[:3]), 680).rstrip(".") + ".",
        email_subject=within(brief.title, 60),
        email_text=f"Hello {{{{first_name|there}}}},\n\n{within(lead, 900)}\n\nThe whole text is one click away.\n\n"
        f"Warm regards,\n{brand.company}",
        posts=posts,
    )


def _length(post: Post, link: str) -> int:
    network = get_network(post.network)
    return count_post(network, compose_post(network, post.text, (), link))


def check(brief: RepurposeBrief, _context: Context, result: Repurposed) -> list[Check]:
    """Whether each post fits, and each network is one that is known."""
    known = {one.key: one for one in NETWORKS}
    strange = [one.network for one in result.posts if one.network not in known]
    if strange:
        return [Check("networks", "Networks", "fail", f"“{strange[0]}” is not a network that was asked for.")]
    pairs = zip(result.posts, result.links, strict=False)
    long = [one.network for one, link in pairs if _length(one, link) > known[one.network].longest]
    if long:
        return [Check("limits", "Limits", "fail", f"The post for {known[long[0]].label} is too long.")]
    detail = "Give a link, so that people find the whole text."
    link = (
        Check("link", "Link", "warn", detail) if not brief.link else Check("link", "Link", "pass", "Each post has it.")
    )
    return [Check("limits", "Limits", "pass", "Each post fits its network."), link]


def propose(brief: RepurposeBrief, context: Context, result: Repurposed) -> list[ProposedAction]:
    """The posts as drafts; the letter stays a document."""
    link = brand_words(context, brief.link).link
    posts = [{"network": one.network, "text": one.text, "link": link} for one in result.posts]
    return [
        ProposedAction(
            action="draft_posts",
            title=f"{len(posts)} posts from “{brief.title}”"[:120],
            payload={"posts": posts, "utm_campaign": brief.title[:80], "made_by": "Content & SEO"},
            reason=result.summary[:300],
            effect="Drafts without an hour yet; you give them one on the calendar.",
            slot="posts",
        )
    ]


def show(result: Repurposed) -> list[Block]:
    """The texts for page and document."""
    cards = [
        Card(
            next((one.label for one in NETWORKS if one.key == post.network), post.network),
            post.text,
            (("Link", link or "–"),),
            f"{len(post.text):,} characters",
        )
        for post, link in zip(result.posts, result.links, strict=False)
    ]
    return [
        Text(result.summary, "Summary"),
        Text(f"**{result.email_subject}**\n\n{result.email_text}", "As a letter"),
        Cards(cards, "As posts"),
    ]


STORY = (
    "Green tea is easy when one lets the water rest. Boiling water makes it bitter. Two minutes are "
    "enough, and the same "
    "leaves give a second cup that many people like better. Keep it away from light."
)

REPURPOSE = make_task(
    key="repurpose",
    label="Repurpose",
    verb="Make other texts of one",
    job="Make other texts of the brief's text: a summary of three sentences, a short letter with its subject that "
    "leads to the whole text, and two to five posts, each for a network of the data by its key and within its "
    "limit. Add nothing that the text does not say. Leave links out: they are added.",
    brief=RepurposeBrief,
    answer=RepurposeAnswer,
    result=Repurposed,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    propose=propose,
    show=show,
    summarise=lambda result: f"A letter and {len(result.posts)} posts: {result.email_subject}",
    examples=(
        BriefExample("An article", "As a letter and posts.", {"title": "How to brew green tea", "text": STORY}),
        BriefExample(
            "With a link",
            "People find the whole text.",
            {"title": "The first flush", "text": STORY, "link": "https://lumen.example/tea"},
        ),
        BriefExample(
            "A talk", "What was said.", {"title": "What we learned this year", "text": f"We met many of you. {STORY}"}
        ),
    ),
    longest_answer_tokens=3000,
)
