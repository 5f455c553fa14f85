"""Ask LUX, the twelfth tile: what it will answer, and where each answer is found today."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, render_template

page = Blueprint("ask_lux", __name__)


@dataclass(frozen=True)
class Question:
    """Something people will ask, and the page that answers it now."""

    text: str
    answer: str
    endpoint: str
    icon: str


QUESTIONS = [
    Question(
        "Why didn't Ada get the spring campaign?",
        "Each campaign's results name the reason, person by person.",
        "campaigns.index",
        "send",
    ),
    Question(
        "How many people can I write to?",
        "A segment shows its count, and who may not be written to.",
        "segments.index",
        "shapes",
    ),
    Question(
        "What did Zapier send last night?",
        "The webhook inbox keeps every body, byte for byte.",
        "webhook_inbox.index",
        "inbox",
    ),
    Question(
        "Write me a campaign for the new offer.",
        "Email & CRM drafts it and asks before anything happens.",
        "agents.index",
        "mail",
    ),
]


@page.get("/")
def index() -> str:
    """The page behind the twelfth tile."""
    return render_template("ask_lux/index.html", questions=QUESTIONS)
