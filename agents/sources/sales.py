"""What the sales agent reads: lead scores of contacts, each point with its reason, by audience/scores.py."""

from __future__ import annotations

from agents.sources.readings import Reading, make_reading, percent_of
from audience.scores import LATELY_DAYS, RULES, count_leads, current_points, find_scoring, list_leads

MOST_LEADS = 12


def read_scores() -> Reading:
    """Everybody who may be written to, scored in one statement; the highest by their number, with their reasons."""
    points = current_points()
    counts = count_leads(points)
    leads = [
        {
            "contact": f"#{lead.contact_id}",
            "points": lead.points,
            "reasons": "; ".join(f"{label} ({number})" for label, number in lead.reasons),
        }
        for lead in list_leads(points, least=points.warm_from, most=MOST_LEADS)
    ]
    scores = {
        "scored": counts.scored,
        "hot": counts.hot,
        "warm": counts.warm,
        "hot_percent": percent_of(counts.hot, counts.scored),
    }
    facts = {
        "scores": scores,
        "points": {rule.label: points.of_rule[rule.key] for rule in RULES if points.of_rule[rule.key]},
        "marks": {"hot_from": points.hot_from, "warm_from": points.warm_from},
        "leads": leads,
    }
    kept = {
        "scoring": {
            "points": dict(points.of_rule),
            "hot_from": points.hot_from,
            "warm_from": points.warm_from,
        },
        "is_scoring": find_scoring() is not None,
    }
    return make_reading(
        "scores",
        "Scores",
        f"{counts.scored:,} scored, {counts.hot:,} hot",
        facts,
        source="/contacts",
        coverage=min(1.0, counts.scored / 50),
        how=f"points for what is known and for opens, clicks and forms within {LATELY_DAYS} days",
        kept=kept,
    )
