"""Social Media & Community: posts for each network, the week's plan, and replies.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="social_media",
    label="Social Media & Community",
    verb_line="Drafts the week's posts and the replies",
    icon="share-2",
    planned=(
        PlannedTask("Post set", "One idea as a post for each network, with counts, tags and alternative text."),
        PlannedTask("The week", "Posts with days and times, in the calendar."),
        PlannedTask("Replies", "Answers to comments, as drafts for a person to send."),
    ),
    reads=(
        "past posts",
        "articles",
        "the calendar",
    ),
    feeds=("post drafts in the calendar",),
    meanwhile=(("Announce it by e-mail meanwhile", "/agents/email_crm"),),
)
