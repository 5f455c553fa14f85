"""A post as its network gets it: text, link and tags put together, and counted as that network counts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lib.networks import Network

# X counts characters of most European scripts once and all others twice (its configuration v3); a link always as 23.
_SINGLE = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
# Joiners and variation marks within an emoji: the emoji is counted, not what holds it together.
_UNCOUNTED = re.compile("[\u200d\ufe0e\ufe0f]")
_LINK = re.compile(r"https?://[^\s<>\"]+")


def compose_post(network: Network, text: str, tags: Sequence[str], link: str) -> str:
    """All of it as it is published; a network whose texts hold no links gets none."""
    parts = (text.strip(), link if network.takes_links else "", " ".join(tags))
    return "\n\n".join(part for part in parts if part)


def count_post(network: Network, whole: str) -> int:
    """Characters of a composed post as the network counts them."""
    if network.link_counts:
        links = _LINK.findall(whole)
        whole = _LINK.sub("", whole)
        return len(links) * network.link_counts + _weigh(network, whole)
    return _weigh(network, whole)


def read_tags(text: str) -> list[str]:
    """Tags as somebody typed them, with or without #, each once, in order."""
    words = (re.sub(r"[^\w]", "", word) for word in re.split(r"[\s,;]+", text))
    return list(dict.fromkeys(f"#{word}" for word in words if word))


def _weigh(network: Network, text: str) -> int:
    if not network.weighs_scripts:
        return len(text)
    return sum(1 if any(a <= ord(mark) <= b for a, b in _SINGLE) else 2 for mark in _UNCOUNTED.sub("", text))
