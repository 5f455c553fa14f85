"""Analytics: what happened in a period beside the one before, and where it goes; each table to take away as CSV."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from analytics.conversion_figures import (
    UTM_WORDS,
    WordRow,
    count_conversions,
    list_cause_rows,
    list_groups,
    list_name_rows,
    list_word_rows,
    sum_worth,
)
from analytics.days import DayRow, find_summed_at, list_day_rows
from analytics.figures import (
    BAD_WHEN_UP,
    FINE_BELOW,
    Figure,
    count_new_contacts,
    has_launched,
    list_campaign_rows,
    list_channel_rows,
    list_figures,
    list_funnel,
    list_segment_rows,
    percent_shown,
    points_shown,
    sum_period,
)
from analytics.links import list_link_rows
from analytics.outlook import Outlook, list_outlooks
from analytics.people import Cohort, list_cohorts, list_months
from analytics.periods import PRESETS, USUAL_DAYS, Period, read_period
from analytics.tables import TABLES, get_table
from config import current_settings
from errors import InputInvalid
from lib.charts import Chart, Series, format_number, line_chart
from lib.csv_rows import write_rows

page = Blueprint("analytics", __name__)

MOST_ROWS = 10
HEAT_STEPS = 9
MOST_LABELS = 5


@page.get("/")
def index() -> ResponseReturnValue:
    """The period that the address asks for, or the last four weeks."""
    zone, asked, errors = current_settings().timezone, _asked(), dict[str, str]()
    try:
        period = _read(asked, zone)
    except InputInvalid as error:
        errors, period = error.fields, read_period("", "", "", zone)
    frame = {
        "zone": zone,
        "period": period,
        "before": period.before(),
        "asked": asked,
        "errors": errors,
        "presets": _list_presets(asked),
        "describe_days": describe_days,
        "has_any": has_launched() or bool(count_conversions(read_period("365", "", "", zone))),
    }
    if not frame["has_any"]:
        return render_template("analytics/index.html", **frame), 422 if errors else 200
    return render_template("analytics/index.html", **frame, **_gather(period)), 422 if errors else 200


@page.get("/<table>.csv")
def table(table: str) -> ResponseReturnValue:
    """One table of the period as CSV. A wrong period is told as such."""
    period = _read(_asked(), current_settings().timezone)
    found = get_table(table, period)
    response = Response("".join(write_rows(found.header, found.rows)), mimetype="text/csv")
    name = f"analytics-{table}-{period.first}-to-{period.last}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def describe_days(period: Period) -> str:
    """From when to when, as a person says it."""
    if period.first == period.last:
        return _day(period.last, with_year=True)
    with_year = period.first.year != period.last.year
    return f"{_day(period.first, with_year=with_year)} to {_day(period.last, with_year=True)}"


def _asked() -> dict[str, str]:
    return {name: request.args.get(name, "").strip()[:20] for name in ("days", "first", "last")}


def _read(asked: dict[str, str], zone: str) -> Period:
    return read_period(asked["days"], asked["first"], asked["last"], zone)


def _list_presets(asked: dict[str, str]) -> list[tuple[str, str, bool]]:
    usual = "" if asked["first"] or asked["last"] else asked["days"] or str(USUAL_DAYS)
    return [(label, url_for("analytics.index", days=days), days == usual) for days, label in PRESETS.items()]


def _gather(period: Period) -> dict[str, object]:
    now, before = sum_period(period), sum_period(period.before())
    links, summed = list_link_rows(period), find_summed_at()
    cohorts, names, groups = list_cohorts(period.zone), list_name_rows(period), list_groups(period)
    given: dict[str, Any] = {name: value for name, value in _asked().items() if value}
    return {
        "now": now,
        "earlier": before,
        "figures": [(one, *_tell(one)) for one in list_figures(now, before)],
        "new_contacts": (count_new_contacts(period), count_new_contacts(period.before())),
        "conversions": (sum(one.count for one in names), count_conversions(period.before())),
        "worth": sum_worth(names),
        "day_charts": _draw_days(list_day_rows(period)),
        "funnel": list_funnel(period, now),
        "campaigns": list_campaign_rows(period, MOST_ROWS),
        "segments": list_segment_rows(period, MOST_ROWS),
        "channels": list_channel_rows(period, MOST_ROWS),
        "links": links[:MOST_ROWS],
        "link_count": len(links),
        "words": _shorten(list_word_rows(groups, links)),
        "names": names[:MOST_ROWS],
        "causes": list_cause_rows(groups)[:MOST_ROWS],
        "cohorts": cohorts,
        "cohort_months": len(list_months(datetime.now(UTC).date())),
        "heat_of": partial(_heat_of, _find_warmest(cohorts)),
        "outlooks": [(one, _draw_outlook(one)) for one in list_outlooks(period.zone)],
        "summed_at": summed[0].astimezone(ZoneInfo(period.zone)) if summed else None,
        "is_summed": summed is not None and summed[1],
        "number": format_number,
        "percent": _percent,
        "csv": {key: url_for("analytics.table", table=key, **given) for key in TABLES},
    }


def _tell(figure: Figure) -> tuple[str, str, str]:
    """What a figure's tile says of the change: the words, whether it is good, and the interval."""
    if figure.share is None:
        return "", "flat", "nothing to count yet"
    interval = f"95%: {_percent(figure.share.low)}–{_percent(figure.share.high)}%"
    if figure.change is None:
        return "", "flat", f"{interval} · nothing to compare with"
    change = figure.change
    words = f"{_points(change.difference)} points ({_points(change.low)} to {_points(change.high)})"
    if not change.is_significant:
        return words, "flat", f"{interval} · no more than chance"
    is_good = (change.difference > 0) != (figure.key in BAD_WHEN_UP)
    return words, "up" if is_good else "down", f"{interval} · more than chance"


def _percent(share: float) -> str:
    return f"{percent_shown(share):.{2 if share < FINE_BELOW else 1}f}"


def _points(difference: float) -> str:
    return f"{points_shown(difference):+.2f}".replace("-", "−")


def _draw_days(rows: list[DayRow]) -> tuple[Chart, Chart]:
    labels = [_day(row.starts_on) for row in rows]
    people = [
        Series("Opened by people", [row.counts["opened"] for row in rows]),
        Series("Clicked by people", [row.counts["clicked"] for row in rows]),
        Series("Opened by machines", [row.counts["machines"] for row in rows]),
    ]
    heading = "Day" if rows and rows[0].starts_on == rows[0].ends_on else "Days from"
    sent = [Series("Sent", [row.counts["sent"] for row in rows])]
    return (
        line_chart("Opens and clicks by day", labels, people, heading=heading, most_labels=MOST_LABELS),
        line_chart("Messages sent by day", labels, sent, heading=heading, most_labels=MOST_LABELS),
    )


def _draw_outlook(outlook: Outlook) -> Chart:
    labels = [_day(start) for start in (*outlook.starts, *(start for start, _ in outlook.ahead))]
    nothing, past = [None] * len(outlook.starts), [None] * len(outlook.ahead)
    ranges = [one for _, one in outlook.ahead]
    series = [Series("Counted", [*outlook.values, *past])]
    if ranges:
        series += [
            Series("Expected", [*nothing, *(round(one.mean) for one in ranges)]),
            Series("At least", [*nothing, *(round(one.low) for one in ranges)]),
            Series("At most", [*nothing, *(round(one.high) for one in ranges)]),
        ]
    return line_chart(f"{outlook.label} by week", labels, series, heading="Week of", most_labels=MOST_LABELS)


def _shorten(rows: list[WordRow]) -> list[tuple[str, list[WordRow]]]:
    """The first rows of each UTM word, under its name."""
    return [(label, [row for row in rows if row.word == word][:MOST_ROWS]) for word, label in UTM_WORDS.items()]


def _find_warmest(cohorts: list[Cohort]) -> float:
    return max((one.percent(active) or 0.0 for one in cohorts for active in one.active), default=0.0)


def _heat_of(warmest: float, cohort: Cohort, count: int | None) -> int:
    """How warm a cell is, from 0 to 9, the warmest of the table being 9."""
    percent = cohort.percent(count) or 0.0
    return max(1, round(HEAT_STEPS * percent / warmest)) if percent else 0


def _day(day: date, *, with_year: bool = False) -> str:
    return f"{day.day} {day:%b %Y}" if with_year else f"{day.day} {day:%b}"
