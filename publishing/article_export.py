"""An article as a file of its own: HTML that stands alone, and markdown with its facts on top."""

from __future__ import annotations

import json

from flask import current_app

from campaigns.brand import get_brand
from lib.article_markdown import render_article
from models import Article
from publishing.articles import content_of


def export_html(article: Article) -> str:
    """One standalone page: no script, nothing loaded from anywhere but the article's own pictures."""
    content = content_of(article)
    brand = get_brand()
    template = current_app.jinja_env.get_template("publishing/preview_article.html")
    return template.render(
        content=content,
        body=render_article(content.body),
        answers=[(one.question, render_article(one.answer)) for one in content.faq],
        company=brand.company,
        accent=brand.accent_color,
    )


def export_markdown(article: Article) -> str:
    """The same as markdown, with front matter that site generators read."""
    content = content_of(article)
    facts = {
        "title": content.title,
        "slug": content.slug,
        "meta_title": content.meta_title,
        "description": content.meta_description,
    }
    # A JSON string is a YAML string too, whatever stands in it.
    head = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items()]
    parts = ["\n".join(["---", *head, "---"]), f"# {content.title}", content.body]
    if content.faq:
        parts.append("## Questions")
        parts += [f"### {one.question}\n\n{one.answer}" for one in content.faq]
    return "\n\n".join(part for part in parts if part) + "\n"


def file_name(article: Article, ending: str) -> str:
    """A name for the file that is safe in a header."""
    slug = content_of(article).slug
    is_plain = bool(slug) and slug.isascii() and all(mark.isalnum() or mark == "-" for mark in slug)
    return f"{slug[:70] if is_plain else f'article-{article.id}'}.{ending}"
