"""Adds posts as drafts with an hour in mind; nothing is published before a person plans it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from agents.actions.base import Action, Outcome, Payload
from errors import Conflict, InputInvalid
from extensions import db
from lib.networks import NETWORKS, get_network
from models import Post, Proposal
from publishing.calendar import house_zone
from publishing.post_checks import PostText, find_blockers
from publishing.posts import PostDraft, draft_post, find_post
from publishing.webhooks import find_way

MOST_POSTS = 12
# What a draft may still lack: a person chooses the picture.
LATER = ("asset_id", "alt")
KEYS = tuple(network.key for network in NETWORKS)
Line = Annotated[str, StringConstraints(max_length=500)]


class DraftedPost(Payload):
    """One post; `at` is the hour in mind, `link` the bare one."""

    network: str
    text: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    tags: Annotated[list[Line], Field(max_length=30)] = []
    link: Annotated[str, StringConstraints(max_length=2000)] = ""
    alt: Line = ""
    at: datetime | None = None


class DraftPosts(Payload):
    """A set of posts, and the campaign that their links name."""

    posts: Annotated[list[DraftedPost], Field(min_length=1, max_length=MOST_POSTS)]
    utm_campaign: Annotated[str, StringConstraints(max_length=80)] = ""
    made_by: Annotated[str, StringConstraints(max_length=80)] = "Social Media & Community"


def _check(payload: DraftPosts) -> None:
    """Raises InputInvalid for a network that is not known, and for what its network would not take."""
    for number, post in enumerate(payload.posts):
        if post.network not in KEYS:
            raise InputInvalid({f"posts.{number}.network": f"“{post.network}” is not a network that LUX knows."})
        said = PostText(post.network, post.text, post.tags, post.link, has_picture=False, alt=post.alt)
        blockers = {field: text for field, text in find_blockers(said).items() if field not in LATER}
        if blockers:
            raise InputInvalid({f"posts.{number}.{field}": text for field, text in blockers.items()})


def _describe(payload: DraftPosts) -> str:
    networks = list(dict.fromkeys(get_network(post.network).label for post in payload.posts if post.network in KEYS))
    count = len(payload.posts)
    posts = "1 draft" if count == 1 else f"{count} drafts"
    return f"Adds {posts} for {', '.join(networks)} to the calendar. Nothing is published before you plan it."


def _carry_out(payload: DraftPosts, proposal: Proposal, user_id: int | None) -> Outcome:
    now = datetime.now(UTC)
    posts = []
    for drafted in payload.posts:
        way = find_way(drafted.network)
        draft = PostDraft(
            network=drafted.network,
            text=drafted.text,
            tags=drafted.tags,
            link=drafted.link,
            utm_campaign=payload.utm_campaign,
            alt=drafted.alt,
            webhook_id=way.id if way else None,
            planned_at=drafted.at if drafted.at and drafted.at > now else None,
        )
        posts.append(draft_post(draft, made_by=payload.made_by, user_id=user_id, proposal_id=proposal.id))
    hours = [post.planned_at for post in posts if post.planned_at is not None]
    return {
        "posts": [{"id": post.id, "text": post.text} for post in posts],
        "on": min(hours).astimezone(house_zone()).date().isoformat() if hours else None,
    }


def _undo(outcome: Mapping[str, Any]) -> None:
    """Raises Conflict when somebody has worked on one of them: then all stay."""
    posts: list[Post] = []
    for made in outcome["posts"]:
        post = find_post(int(made["id"]))
        if post is None or post.archived_at is not None:
            raise Conflict("A post of these is gone already.")
        if post.state != "draft" or post.text != made["text"]:
            raise Conflict("Somebody has worked on these posts since. Archive in Posts what is not wanted.")
        posts.append(post)
    for post in posts:
        post.archived_at = datetime.now(UTC)
    db.session.flush()


def _find_address(outcome: Mapping[str, Any]) -> str:
    if len(outcome["posts"]) == 1:
        return f"/calendar/posts/{int(outcome['posts'][0]['id'])}"
    return f"/calendar/?view=week&on={outcome['on']}" if outcome["on"] else "/calendar/posts/?state=draft"


ACTION: Action[DraftPosts] = Action(
    key="draft_posts",
    label="Draft posts",
    accept="Add to the calendar",
    payload=DraftPosts,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. The drafts are archived.",
    find_address=_find_address,
    done="The drafts are on the calendar. Nothing is published before you plan it.",
)
