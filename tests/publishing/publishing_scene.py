"""Posts in every state, an article with versions, a date and an outgoing webhook, for tests that look at all pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from extensions import db
from publishing.articles import add_article, change_article, plan_article
from publishing.deliveries import send_test
from publishing.entries import add_entry
from publishing.posts import PostDraft, add_post, cancel_post, mark_posted, move_post, plan_post
from publishing.webhooks import WebhookDraft, add_webhook, pause_webhook

ARTICLE: dict[str, Any] = {
    "title": "How to brew green tea",
    "slug": "how-to-brew-green-tea",
    "meta_title": "How to brew green tea | Lumen Tea",
    "meta_description": "Water at 80 °C and two minutes: how green tea tastes as it should.",
    "body": "Green tea asks for little.\n\n## The water\n\nLet it rest for **three minutes**.\n\n- No bubbles\n- 80 °C",
    "faq": [{"question": "May the water boil?", "answer": "No."}],
}


def add_publishing(user_id: int | None, made_by: str = "Ada") -> dict[str, str | int]:
    """Fills the calendar; what stands for each part of an address."""
    now = datetime.now(UTC)
    webhook_id = add_webhook(WebhookDraft("Zapier", "https://hooks.example.com/catch/1"), user_id=user_id).webhook_id
    paused_id = add_webhook(
        WebhookDraft("n8n", "https://n8n.example.com/1", ("linkedin",), "ask"), user_id=user_id
    ).webhook_id
    pause_webhook(paused_id, reason="The receiver answered 410: nobody listens there any more.")

    def write(network: str, words: str, **more: object) -> int:
        draft = PostDraft(network, words, ("#tea",), "https://lumen.example/tea", **more)  # type: ignore[arg-type]  # of a scene
        return int(add_post(draft, made_by=made_by, user_id=user_id).id)

    post_id = write("linkedin", "Water must not boil for green tea.\n\nTwo minutes are enough.", webhook_id=webhook_id)
    plan_post(post_id, now + timedelta(days=1), user_id=user_id)
    move_post(write("x", "A post with an hour in mind."), now + timedelta(hours=3), user_id=user_id)
    write("mastodon", "A draft without an hour.")
    cancel_post(write("facebook", "A post that was called off."), user_id=user_id)
    mark_posted(write("facebook", "A post by hand."), url="https://social.example/1", user_id=user_id)
    plan_post(write("x", "A post whose hour has come."), now, user_id=user_id)
    failed_id = write("linkedin", "A post that failed.", webhook_id=webhook_id)
    db.session.execute(
        text("UPDATE posts SET state = 'failed', trouble = :said, planned_at = now() WHERE id = :id"),
        {"said": "The receiver answered 404: no such hook", "id": failed_id},
    )
    db.session.commit()
    article_id = int(add_article(ARTICLE, made_by=made_by, user_id=user_id).id)
    change_article(article_id, {**ARTICLE, "title": "How to brew green tea well"}, made_by=made_by)
    plan_article(article_id, now + timedelta(days=2), user_id=user_id)
    add_article({"title": "Where our tea comes from"}, made_by=made_by, user_id=user_id)
    day = (now + timedelta(days=3)).date()
    entry = add_entry("Tasting days", starts_on=day, ends_on=day + timedelta(days=1), made_by=made_by, user_id=user_id)
    entry_id = int(entry.id)
    send_test(webhook_id, user_id=user_id)
    return {
        "post_id": post_id,
        "article_id": article_id,
        "entry_id": entry_id,
        "webhook_id": webhook_id,
        "kind": "post",
        "item_id": post_id,
    }
