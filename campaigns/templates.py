"""The starter templates that the wizard offers: each a whole, usable campaign. To add one, add a row to STARTERS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from errors import NotFound


@dataclass(frozen=True)
class Starter:
    """A campaign to begin with: its goal and its content, with merge tags where people differ."""

    key: str
    name: str
    text: str
    icon: str
    goal: str
    content: dict[str, Any]


STARTERS: tuple[Starter, ...] = (
    Starter(
        "news",
        "Newsletter",
        "Three short pieces of news and one link each.",
        "file-text",
        "Keep subscribers in touch with what is new.",
        {
            "subject": "What is new this month",
            "preheader": "Three things worth two minutes of your time",
            "blocks": [
                {"kind": "heading", "text": "What is new", "level": 1},
                {"kind": "text", "text": "Hello {{first_name|there}},\n\nhere is what happened since we last wrote."},
                {"kind": "heading", "text": "The first piece of news", "level": 2},
                {"kind": "text", "text": "Say in two sentences what changed and why it matters to your readers."},
                {"kind": "button", "label": "Read more", "url": ""},
                {"kind": "divider"},
                {
                    "kind": "columns",
                    "columns": [
                        {"heading": "The second piece", "text": "One sentence, then a link.", "label": "", "url": ""},
                        {"heading": "The third piece", "text": "One sentence, then a link.", "label": "", "url": ""},
                    ],
                },
                {"kind": "footer", "text": "You receive this because you subscribed to our newsletter."},
            ],
        },
    ),
    Starter(
        "offer",
        "Offer",
        "One offer, one reason, one button, one deadline.",
        "tag",
        "Bring people who know us back for one offer.",
        {
            "subject": "{{first_name|Hello}}, something for you until Sunday",
            "preheader": "One offer, and how to use it",
            "blocks": [
                {"kind": "heading", "text": "Something for you until Sunday", "level": 1},
                {
                    "kind": "text",
                    "text": "Hello {{first_name|there}},\n\nsay what the offer is, in numbers, and who it is for.\n\n"
                    "- What one gets\n- What it costs\n- Until when it holds",
                },
                {"kind": "button", "label": "Use the offer", "url": ""},
                {"kind": "footer", "text": "You receive this because you asked us for offers."},
            ],
        },
    ),
    Starter(
        "event",
        "Invitation",
        "What, when, where, and a button to say yes.",
        "calendar",
        "Fill the seats of an event.",
        {
            "subject": "You are invited",
            "preheader": "What, when and where",
            "blocks": [
                {"kind": "heading", "text": "You are invited", "level": 1},
                {
                    "kind": "text",
                    "text": "Hello {{first_name|there}},\n\nwe would like to see you.\n\n"
                    "- **What:** \n- **When:** \n- **Where:** ",
                },
                {"kind": "button", "label": "Yes, I am coming", "url": ""},
                {
                    "kind": "text",
                    "text": "Cannot make it? Answer this message and we will tell you about the next one.",
                },
                {"kind": "footer", "text": ""},
            ],
        },
    ),
    Starter(
        "welcome",
        "Welcome",
        "Who we are, what to expect, one first step.",
        "handshake",
        "Welcome people who have just subscribed.",
        {
            "subject": "Welcome, {{first_name|friend}}",
            "preheader": "What you can expect from us",
            "blocks": [
                {"kind": "heading", "text": "Good to have you here", "level": 1},
                {
                    "kind": "text",
                    "text": "Hello {{first_name|there}},\n\nthank you for subscribing. "
                    "Say who you are in one sentence, how often you write and about what.",
                },
                {"kind": "button", "label": "A good place to begin", "url": ""},
                {"kind": "social", "links": [{"network": "website", "url": ""}]},
                {"kind": "footer", "text": "You receive this because you have just subscribed."},
            ],
        },
    ),
    Starter(
        "plain",
        "Plain letter",
        "A personal note: words only, no decoration.",
        "pen-line",
        "Say one thing, person to person.",
        {
            "subject": "A short note",
            "preheader": "",
            "blocks": [
                {
                    "kind": "text",
                    "text": "Hello {{first_name|there}},\n\nwrite as you would to one person.\n\nKind regards",
                },
                {"kind": "footer", "text": ""},
            ],
        },
    ),
)


def get_starter(key: str) -> Starter:
    """The starter of this key. Raises NotFound."""
    for starter in STARTERS:
        if starter.key == key:
            return starter
    raise NotFound("There is no such template.")
