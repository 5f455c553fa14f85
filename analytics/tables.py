"""What the page shows, as tables to take away: a header and rows for each. To add one, add its function to TABLES."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from analytics.conversion_figures import list_cause_rows, list_groups, list_name_rows, list_word_rows
from analytics.days import list_day_rows
from analytics.figures import (
    GroupRow,
    list_campaign_rows,
    list_channel_rows,
    list_figures,
    list_funnel,
    list_segment_rows,
    sum_period,
)
from analytics.links import MOST_LINKS, list_link_rows
from analytics.outlook import list_outlooks
from analytics.people import MONTHS, list_cohorts
from analytics.periods import Period
from errors import NotFound

MOST_ROWS = 5_000
_SUMS = ("planned", "sent", "failed", "unknown", "opens_human", "opens_machine", "clicks_human", "clicks_machine")


@dataclass(frozen=True)
class Table:
    """A header and its rows."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]


def get_table(key: str, period: Period) -> Table:
    """One table of the period. Raises NotFound."""
    if key not in TABLES:
        raise NotFound("There is no such table.")
    return TABLES[key](period)


def _figures(period: Period) -> Table:
    header = (
        "figure", "count", "of", "percent", "low_95", "high_95",
        "change_points", "change_low_95", "change_high_95", "p_value",
    )  # fmt: skip
    rows = []
    for one in list_figures(sum_period(period), sum_period(period.before())):
        share = [one.share.value, one.share.low, one.share.high] if one.share else [None] * 3
        change = [one.change.difference, one.change.low, one.change.high] if one.change else [None] * 3
        points = [None if value is None else round(100 * value, 3) for value in (*share, *change)]
        p_value = f"{one.change.p_value:.4g}" if one.change else None
        rows.append((one.label, one.count, one.of, *points, p_value))
    return Table(header, rows)


def _days(period: Period) -> Table:
    header = ("from", "to", "sent", "opened_by_people", "clicked_by_people", "opened_by_machines", "unsubscribed")
    return Table(header, [(row.starts_on, row.ends_on, *row.counts.values()) for row in list_day_rows(period)])


def _funnel(period: Period) -> Table:
    rows = [(label, count, _round(percent)) for label, count, percent in list_funnel(period, sum_period(period))]
    return Table(("step", "count", "percent_of_step_before"), rows)


def _campaigns(period: Period) -> Table:
    return _groups("campaign", list_campaign_rows(period, MOST_ROWS))


def _segments(period: Period) -> Table:
    return _groups("segment", list_segment_rows(period, MOST_ROWS))


def _channels(period: Period) -> Table:
    return _groups("channel", list_channel_rows(period, MOST_ROWS))


def _groups(name: str, rows: list[GroupRow]) -> Table:
    header = (name, "campaigns", *_SUMS, "unsubscribed")
    cells = [
        (row.name, row.campaigns, *(getattr(row.sums, one) for one in _SUMS), row.sums.unsubscribed) for row in rows
    ]
    return Table(header, cells)


def _links(period: Period) -> Table:
    header = ("campaign", "link", "address", "clicks_by_people", "clicks_by_machines", "clicks_unsure")
    rows = [
        (one.campaign, one.label, one.url, one.human, one.machine, one.unsure)
        for one in list_link_rows(period, MOST_LINKS)
    ]
    return Table(header, rows)


def _words(period: Period) -> Table:
    rows = [
        (one.word, one.value, one.clicks, one.conversions, " + ".join(f"{v} {k}" for k, v in sorted(one.worth.items())))
        for one in list_word_rows(list_groups(period), list_link_rows(period))
    ]
    return Table(("utm", "value", "clicks_by_people", "conversions", "worth"), rows)


def _conversions(period: Period) -> Table:
    header = ("conversion", "count", "by_click", "by_utm", "told_by_servers", "currency", "value")
    rows = [
        (one.name, one.count, one.by_click, one.by_utm, one.from_server, one.currency, one.value)
        for one in list_name_rows(period)
    ]
    return Table(header, rows)


def _attribution(period: Period) -> Table:
    header = ("attributed_by", "to", "count", "currency", "value")
    return Table(
        header,
        [
            (one.attribution, one.title, one.count, one.currency, one.value)
            for one in list_cause_rows(list_groups(period))
        ],
    )


def _cohorts(period: Period) -> Table:
    header = ("arrived_in", "arrived", "subscribed_now", *(f"active_in_month_{at}" for at in range(MONTHS)))
    rows = [(f"{one.month:%Y-%m}", one.arrived, one.subscribed, *one.active) for one in list_cohorts(period.zone)]
    return Table(header, rows)


def _forecast(period: Period) -> Table:
    rows: list[tuple[Any, ...]] = []
    for one in list_outlooks(period.zone):
        rows += [
            (one.label, start, value, None, None, None) for start, value in zip(one.starts, one.values, strict=True)
        ]
        rows += [
            (one.label, start, None, _round(ahead.low), _round(ahead.mean), _round(ahead.high))
            for start, ahead in one.ahead
        ]
    return Table(("what", "week_of", "counted", "low_95", "expected", "high_95"), rows)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


TABLES: dict[str, Callable[[Period], Table]] = {
    "figures": _figures,
    "days": _days,
    "funnel": _funnel,
    "campaigns": _campaigns,
    "segments": _segments,
    "channels": _channels,
    "links": _links,
    "utm": _words,
    "conversions": _conversions,
    "attribution": _attribution,
    "cohorts": _cohorts,
    "forecast": _forecast,
}
