"""What a network takes of a post: its limits counted, in words, with the field where it is put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lib.measured_texts import Measured
from lib.networks import Network, get_network
from lib.post_texts import compose_post, count_post

Kind = Literal["blocker", "warning", "good"]


@dataclass(frozen=True)
class PostCheck:
    """One thing that was looked at. A blocker keeps a post from being planned."""

    kind: Kind
    field: str
    text: str


@dataclass(frozen=True)
class PostText:
    """What is checked: the words and what goes with them; `link` as it is published."""

    network: str
    text: str
    tags: Sequence[str]
    link: str
    has_picture: bool
    alt: str

    @property
    def whole(self) -> str:
        """All of it as the network gets it."""
        return compose_post(get_network(self.network), self.text, self.tags, self.link)

    @property
    def length(self) -> int:
        """Characters as the network counts them."""
        return count_post(get_network(self.network), self.whole)


def measure_post(post: PostText) -> Measured:
    """The whole post beside its network's limit, counted as that network counts."""
    return Measured(post.whole, post.length, get_network(post.network).longest)


def check_post(post: PostText) -> list[PostCheck]:
    """What stands in the way of publishing, then what would be better, then that it fits."""
    network = get_network(post.network)
    checks = [*_check_text(post, network), *_check_picture(post, network)]
    if len(post.tags) > network.tags:
        said = f"{network.tags} tags are enough on {network.label}; this post has {len(post.tags)}."
        checks.append(PostCheck("warning", "tags", said))
    if post.link and not network.takes_links:
        said = f"A link does not work in a text on {network.label}: it goes to the receiver beside the text."
        checks.append(PostCheck("warning", "link", said))
    return sorted(checks, key=lambda check: ("blocker", "warning", "good").index(check.kind))


def find_blockers(post: PostText) -> dict[str, str]:
    """The blockers by field."""
    return {check.field: check.text for check in reversed(check_post(post)) if check.kind == "blocker"}


def _check_text(post: PostText, network: Network) -> list[PostCheck]:
    if not post.text.strip():
        return [PostCheck("blocker", "text", "A post needs a text.")]
    over = post.length - network.longest
    if over > 0:
        said = f"{over:,} characters too long for {network.label}: it takes {network.longest:,}, with link and tags."
        return [PostCheck("blocker", "text", said)]
    return [PostCheck("good", "text", f"{post.length:,} of {network.longest:,} characters on {network.label}.")]


def _check_picture(post: PostText, network: Network) -> list[PostCheck]:
    if not post.has_picture:
        if network.needs_picture:
            return [PostCheck("blocker", "asset_id", f"{network.label} shows no post without a picture.")]
        return []
    if not post.alt.strip():
        said = "Say what the picture shows: people who do not see it hear this instead."
        return [PostCheck("blocker", "alt", said)]
    return [PostCheck("good", "alt", "The picture has its alt text.")]
