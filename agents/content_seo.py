"""Content & SEO: articles, briefs and page audits for the questions that people search for.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="content_seo",
    label="Content & SEO",
    verb_line="Plans and writes articles that people search for",
    icon="pen-line",
    planned=(
        PlannedTask(
            "Keyword clusters", "What people ask, grouped by intent, with the page that should answer each group."
        ),
        PlannedTask(
            "Brief and article",
            "A brief first, then the article: title, address, description, text, questions with answers.",
        ),
        PlannedTask("On-page audit", "Each finding with its severity and the fix."),
        PlannedTask("Repurpose", "One article as an e-mail, a post set and a short answer."),
    ),
    reads=(
        "pages and articles",
        "questions from forms",
        "clicks on links",
    ),
    feeds=(
        "articles",
        "landing pages",
        "the calendar",
        "social posts",
    ),
    meanwhile=(("Write the newsletter with Email & CRM", "/agents/email_crm"),),
)
