"""Social Media & Community: posts for each network within its limits, a week of them, and replies to people."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.replies import REPLIES
from agents.tasks.social_posts import POST_SET, WEEK

AGENT = Agent(
    key="social_media",
    label="Social Media & Community",
    verb_line="Drafts the week's posts and the replies",
    icon="share-2",
    tasks=(POST_SET, WEEK, REPLIES),
    reads=("the brand page", "what people clicked", "the limits of networks", "comments that you paste"),
    feeds=("posts on the calendar", "replies as documents"),
)
