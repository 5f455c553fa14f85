"""The health of what leaves LUX by outgoing webhooks: which of them keep failing, and which rest with posts waiting."""

from __future__ import annotations

from sqlalchemy import text

from diagnostics.base import PASS, WARN, Finding
from extensions import db
from lib.clean_text import one_line

# So many attempts in a row, the latest of them within so many days, none of which arrived.
ATTEMPTS, DAYS, LATEST_DELIVERIES = 3, 7, 20
_STATES = text("""
    SELECT w.name, w.paused_at IS NOT NULL AS is_paused, w.pause_reason,
        (SELECT count(*) FROM posts p WHERE p.webhook_id = w.id AND p.state IN ('planned', 'publishing')
            AND p.archived_at IS NULL) AS waiting,
        count(tried.state) AS attempts, count(*) FILTER (WHERE tried.state = 'delivered') AS arrived,
        (array_agg(tried.status ORDER BY tried.started_at DESC))[1] AS status
    FROM outgoing_webhooks w LEFT JOIN LATERAL (
        SELECT a.state, a.status, a.started_at FROM (
            SELECT id FROM webhook_deliveries WHERE webhook_id = w.id ORDER BY id DESC LIMIT :deliveries
        ) d JOIN webhook_attempts a ON a.delivery_id = d.id
        WHERE a.state <> 'attempting' AND a.started_at > now() - make_interval(days => :days)
        ORDER BY a.started_at DESC LIMIT :attempts
    ) tried ON true
    WHERE w.archived_at IS NULL GROUP BY w.id ORDER BY w.id
""")


def check_outgoing_webhooks() -> Finding:
    """Outgoing webhooks whose last attempts all failed, and resting ones for which posts are planned."""
    values = {"deliveries": LATEST_DELIVERIES, "days": DAYS, "attempts": ATTEMPTS}
    rows = db.session.execute(_STATES, values).all()
    if not rows:
        return Finding(PASS, "There is none.", 0, "webhooks")
    failing = [
        f"{one_line(row.name)} ({f'answered {row.status}' if row.status else 'no answer'})"
        for row in rows
        if not row.is_paused and row.attempts >= ATTEMPTS and not row.arrived
    ]
    resting = [f"{one_line(row.name)} ({row.waiting} wait)" for row in rows if row.is_paused and row.waiting]
    said = [f"The last {ATTEMPTS} attempts failed: {', '.join(failing)}."] if failing else []
    said += [f"Paused with posts planned for it: {', '.join(resting)}."] if resting else []
    if not said:
        return Finding(PASS, f"{len(rows)} in use or at rest, none keeps failing.", 0, "webhooks")
    advice = (
        "Settings › Outgoing webhooks: send a test, give a receiver that has moved its new address, then resume it."
    )
    return Finding(WARN, " ".join(said), len(failing) + len(resting), "webhooks", advice)
