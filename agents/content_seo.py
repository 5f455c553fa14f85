"""Content & SEO: terms sorted into pages, briefs, articles, audits of pages, and one text made into others."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.articles import ARTICLE, CONTENT_BRIEF
from agents.tasks.keywords import KEYWORD_CLUSTERS
from agents.tasks.page_audit import PAGE_AUDIT
from agents.tasks.repurpose import REPURPOSE

AGENT = Agent(
    key="content_seo",
    label="Content & SEO",
    verb_line="Plans and writes articles that people search for",
    icon="pen-line",
    tasks=(ARTICLE, CONTENT_BRIEF, KEYWORD_CLUSTERS, PAGE_AUDIT, REPURPOSE),
    reads=("the brand page", "what people clicked", "terms, pages and texts that you paste"),
    feeds=("articles with preview and export", "posts on the calendar", "briefs and audits as documents"),
)
