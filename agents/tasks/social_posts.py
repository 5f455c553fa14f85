"""Posts for social networks: a set on one topic, a week of them; limits counted, links with where visits come from."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from agents.base import BriefExample, Check, Context, ProposedAction, Task
from agents.parts.blocks import Block, Card, Cards, Text
from agents.parts.brief_fields import Ask, Key, Line, Link, Prose, Told, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.playbook_words import allow_link, brand_words, tag_of, within
from agents.parts.result_parts import Part
from agents.sources.marketing import read_brand, read_campaigns, read_today
from agents.sources.readings import gather, read_computed
from config import current_settings
from lib.networks import NETWORKS, add_utm, get_network
from lib.post_texts import compose_post, count_post

AGENT_NAME = "Social Media & Community"
KEYS = {one.key for one in NETWORKS}
WEEK_NETWORKS = ("linkedin", "instagram", "facebook", "linkedin", "instagram")


class PostsBrief(Part):
    """What the posts are about."""

    topic: Annotated[Line, Ask("Topic", "What they are about.")]
    tell: Annotated[
        Told, Ask("What to tell", "One thing in each line; only this and the brand page is stated.", "text", rows=4)
    ] = ""
    link: Annotated[Link, Ask("Link", "Where the posts lead.", "link")] = ""


class Post(Part):
    """A post as the model writes it."""

    network: Key
    text: Prose
    tags: Annotated[list[Key], Field(max_length=6)]
    alt: Line


class PostsAnswer(Part):
    """What the model writes."""

    idea: Words
    posts: Annotated[list[Post], Field(min_length=3, max_length=7)]


class Placed(Part):
    """What code adds to a post: its limit, its day and hour, its link, its picture's size."""

    longest: int
    at: str
    link: str
    picture: str


class Posts(PostsAnswer):
    """The whole result."""

    placed: list[Placed]


def _read(brief: PostsBrief) -> Context:
    networks = [
        {"network": one.key, "longest": one.longest, "tags": one.tags, "hour": one.hour, "picture": one.picture}
        for one in NETWORKS
    ]
    limits = read_computed("networks", "Limits of networks", {"networks": networks}, "as their help pages say")
    days = read_computed("days", "Days to come", {"days": [f"{day:%A %Y-%m-%d}" for day in _days()]}, "the next week")
    context = gather((read_brand(), 0.9), (read_campaigns(), 0.1), (limits, 0.0), (days, 0.0), (read_today(), 0.0))
    return allow_link(context, brief.link)


def _days() -> list[date]:
    today = datetime.now(ZoneInfo(current_settings().timezone)).date()
    monday = today + timedelta(days=7 - today.weekday())
    return [monday + timedelta(days=at) for at in range(7)]


def _complete(brief: PostsBrief, context: Context, answer: PostsAnswer, *, is_week: bool) -> Posts:
    link = brand_words(context, brief.link).link
    known = {one.key for one in NETWORKS}
    placed = []
    for at, post in enumerate(answer.posts):
        network = get_network(post.network if post.network in known else "linkedin")
        day = context.facts["days"][at % 7] if is_week else context.facts["days"][1]
        placed.append(
            Placed(
                longest=network.longest,
                at=f"{day}, {network.hour}:00",
                link=add_utm(link, source=network.key, medium="social", campaign=brief.topic),
                picture=network.picture,
            )
        )
    return Posts(**answer.model_dump(), placed=placed)


def _play(brief: PostsBrief, context: Context, networks: tuple[str, ...]) -> PostsAnswer:
    brand = brand_words(context, brief.link)
    topic = brief.topic.rstrip(".!")
    things = [line.rstrip(".") for line in lines_of(brief.tell)] or [*brand.offer, *brand.proofs] or [topic]
    posts = []
    for at, key in enumerate(networks):
        network, thing = get_network(key), things[at % len(things)]
        opening = (f"{topic}.", f"{topic}:", f"{topic}?")[at % 3]
        question = "What is your experience with it?" if at % 3 == 2 else f"More from {brand.company} behind the link."
        tags = list(dict.fromkeys(tag for tag in (tag_of(topic), tag_of(brand.company)) if len(tag) > 1))[
            : network.tags
        ]
        link = add_utm(brand.link, source=key, medium="social", campaign=brief.topic)
        room = network.longest - count_post(network, compose_post(network, "", tags, link)) - 4
        text = (
            within(f"{opening} {thing}.\n\n{question}", room)
            if network.longest < 600
            else (f"{opening} {thing}.\n\n{question}")
        )
        posts.append(Post(network=key, text=text, tags=tags, alt=f"{thing}, shown in one picture"[:200]))
    return PostsAnswer(idea=f"“{topic}”: one thing in each post, in words that fit where it stands.", posts=posts)


def _length(post: Post, link: str) -> int:
    """Characters with link and tags, as the network counts them."""
    network = get_network(post.network)
    return count_post(network, compose_post(network, post.text, post.tags, link))


def _check(_brief: PostsBrief, context: Context, result: Posts) -> list[Check]:
    known = {one.key for one in NETWORKS}
    strange = [post.network for post in result.posts if post.network not in known]
    if strange:
        return [Check("networks", "Networks", "fail", f"“{strange[0]}” is not a network that was asked for.")]
    checks = []
    pairs = zip(result.posts, result.placed, strict=False)
    long = [post for post, placed in pairs if _length(post, placed.link) > placed.longest]
    if long:
        checks.append(
            Check("limits", "Limits", "fail", f"The post for {get_network(long[0].network).label} is too long.")
        )
    else:
        checks.append(Check("limits", "Limits", "pass", "Each post fits its network."))
    crowded = [post for post in result.posts if len(post.tags) > get_network(post.network).tags]
    if crowded:
        checks.append(
            Check("tags", "Tags", "warn", f"Fewer tags do better on {get_network(crowded[0].network).label}.")
        )
    if not context.facts["allowed_links"]:
        checks.append(
            Check("link", "Link", "warn", "There is no link to lead to. Give one, or fill in the brand page.")
        )
    return checks


def _propose(brief: PostsBrief, context: Context, result: Posts, *, is_week: bool) -> list[ProposedAction]:
    zone = ZoneInfo(current_settings().timezone)
    link = brand_words(context, brief.link).link
    drafts = []
    for number, post in enumerate(result.posts):
        day = date.fromisoformat(context.facts["days"][number % 7 if is_week else 1][-10:])
        at = datetime.combine(day, time(get_network(post.network).hour), zone)
        drafts.append(
            {"network": post.network, "text": post.text, "tags": post.tags, "link": link, "alt": post.alt}
            | {"at": at.isoformat()}
        )
    several = f"{len(drafts)} posts on “{brief.topic}”"
    return [
        ProposedAction(
            action="draft_posts",
            title=several[:120],
            payload={"posts": drafts, "utm_campaign": brief.topic[:80], "made_by": AGENT_NAME},
            reason=result.idea[:300],
            effect="Drafts on the calendar at the hours when people read each network. You plan what is to go out.",
            slot="posts",
        )
    ]


def _show(result: Posts) -> list[Block]:
    cards = []
    for post, placed in zip(result.posts, result.placed, strict=False):
        label = next((one.label for one in NETWORKS if one.key == post.network), post.network)
        length = _length(post, placed.link) if post.network in KEYS else len(post.text)
        said = f"{length:,} of {placed.longest:,} characters"
        tags = f"\n\n{' '.join(post.tags)}" if post.tags else ""
        facts = (("When", placed.at), ("Link", placed.link or "–"), ("Picture", placed.picture), ("Alt", post.alt))
        cards.append(Card(label, post.text + tags, facts, said))
    return [Text(result.idea, "Idea"), Cards(cards, "Posts")]


def _make(
    key: str, label: str, verb: str, job: str, networks: tuple[str, ...], *, is_week: bool
) -> Task[PostsBrief, Posts]:
    return make_task(
        key=key,
        label=label,
        verb=verb,
        job=f"{job} Name a network by its key in the data and stay within its longest. text: what people "
        "read, without tags "
        "and without links (both are added). tags: with #, no more than the data says. alt: what its picture shows.",
        brief=PostsBrief,
        answer=PostsAnswer,
        result=Posts,
        read=_read,
        complete=lambda brief, context, answer: _complete(brief, context, answer, is_week=is_week),
        playbook=lambda brief, context: _play(brief, context, networks),
        checks=_check,
        show=_show,
        summarise=lambda result: f"{len(result.posts)} posts. {result.idea}",
        propose=lambda brief, context, result: _propose(brief, context, result, is_week=is_week),
        assume=lambda _brief, _context: [
            "Approved, the posts are drafts with these hours in mind; you plan those that shall go out."
        ],
        examples=(
            BriefExample(
                "A new thing",
                "Tell it well.",
                {"topic": "The first flush is here", "tell": "Light and green\nFrom one garden"},
            ),
            BriefExample(
                "A habit", "Something to try.", {"topic": "A calmer morning", "tell": "Two minutes without a phone"}
            ),
            BriefExample(
                "An event", "Bring people.", {"topic": "Our tasting evening", "link": "https://lumen.example/tasting"}
            ),
        ),
        longest_answer_tokens=3000,
    )


POST_SET = _make(
    "post_set",
    "Post set",
    "Write a set of posts",
    "Write one post on the topic for each network of the data.",
    tuple(one.key for one in NETWORKS),
    is_week=False,
)
WEEK = _make(
    "week",
    "A week",
    "Plan a week of posts",
    "Write five posts for five days, one thing in each, for linkedin, instagram, facebook, linkedin and instagram.",
    WEEK_NETWORKS,
    is_week=True,
)
