"""The command palette's answer: pages, agents, segments, campaigns and contacts whose names hold what was typed."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from agents import AGENTS
from audience.figures import list_contacts_named, list_segments_named
from campaigns.figures import list_campaigns_named
from lib.clean_text import one_line

page = Blueprint("palette", __name__)

MOST_OF_A_KIND = 5
LONGEST_QUERY = 100


@page.get("/")
def index() -> str:
    """Options of a list box, as a fragment; pages come from the menu that the person may see."""
    words = one_line(request.args.get("q", ""))[:LONGEST_QUERY]
    lowered = words.lower()
    return render_template(
        "components/palette.html",
        words=words,
        agents=[agent for agent in AGENTS if lowered in f"{agent.label} {agent.verb_line}".lower()] if words else [],
        segments=list_segments_named(words, MOST_OF_A_KIND) if words else [],
        campaigns=list_campaigns_named(words, MOST_OF_A_KIND) if words else [],
        contacts=list_contacts_named(words, MOST_OF_A_KIND) if words else [],
    )
