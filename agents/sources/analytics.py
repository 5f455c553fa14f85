"""What the analytics agent reads: the figures of the Analytics page, and what stands out of the days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from agents.sources.readings import FEWEST_SENT, Reading, make_reading, percent_of
from analytics.conversion_figures import count_conversions, list_name_rows, sum_worth
from analytics.days import list_each_day
from analytics.figures import (
    BAD_WHEN_UP,
    Figure,
    Sums,
    count_new_contacts,
    list_figures,
    percent_shown,
    points_shown,
    sum_period,
)
from analytics.outlook import AHEAD, WEEKS, list_outlooks
from analytics.periods import Period, read_period
from config import current_settings
from extensions import db
from lib.clean_text import one_line
from lib.trends import OUTLYING_Z, modified_z
from models import Campaign, CampaignTally, Contact, IntakeBody

DAYS, LOOKED_AT = 56, 14
SERIES = {
    "sent": "Messages sent",
    "opens": "Opens by people",
    "clicks": "Clicks by people",
    "left": "Unsubscribes",
    "contacts": "New contacts",
    "bodies": "Webhook bodies",
}


def read_periods() -> Reading:
    """The four weeks of the Analytics page beside those before: the same shares, intervals and tests."""
    period = read_period("", "", "", current_settings().timezone)
    now, before = sum_period(period), sum_period(period.before())
    earlier = {one.key: one for one in list_figures(before, Sums())}
    kpis = [_share_row(one, earlier[one.key]) for one in list_figures(now, before)]
    worth = sum_worth(list_name_rows(period))
    volumes = {
        "sent": now.sent,
        "sent_before": before.sent,
        "new_contacts": count_new_contacts(period),
        "new_contacts_before": count_new_contacts(period.before()),
        "conversions": count_conversions(period),
        "conversions_before": count_conversions(period.before()),
        "conversions_worth": " + ".join(f"{value:,.2f} {currency}" for currency, value in sorted(worth.items())),
    }
    days = f"{period.first:%Y-%m-%d} to {period.last:%Y-%m-%d} beside the {period.days} days before"
    facts = {"kpis": kpis, "volumes": volumes, "period": days}
    value = f"{now.sent:,} messages in {period.days} days, {before.sent:,} before"
    how = "intervals of 95% by Wilson and Newcombe, the test of two shares; opens and clicks of people only"
    coverage = min(1.0, now.sent / 200)
    return make_reading("periods", "Two periods", value, facts, source="/analytics/", coverage=coverage, how=how)


def read_anomalies() -> Reading:
    """Days of the last two weeks that stand out of eight, with what was sent on them."""
    zone = current_settings().timezone
    today = datetime.now(ZoneInfo(zone)).date()
    days = [today - timedelta(days=DAYS - at) for at in range(DAYS)]
    found: list[dict[str, Any]] = []
    series = read_days(days[0], days[-1], zone)
    for key, label in SERIES.items():
        row = [float(series[key].get(day, 0)) for day in days]
        for at in range(DAYS - LOOKED_AT, DAYS):
            z = modified_z(row[at], [one for other, one in enumerate(row) if other != at])
            if z is not None and abs(z) >= OUTLYING_Z:
                found.append({"day": f"{days[at]:%Y-%m-%d}", "what": label, "count": int(row[at]), "z": round(z, 1)})
    found.sort(key=lambda one: -abs(float(one["z"])))
    launched = _launched_since(days[0], zone)
    for one in found:
        one["sent_that_day_or_before"] = launched.get(str(one["day"]), "nothing")
    total = sum(sum(counts.values()) for counts in series.values())
    facts = {
        "anomalies": found[:12],
        "looked_at": {"days": DAYS, "recent_days": LOOKED_AT, "z_from": OUTLYING_Z, "counts": total},
    }
    value = f"{len(found)} days stand out of {LOOKED_AT}"
    how = f"modified z of each day among {DAYS}, {OUTLYING_Z} and more"
    return make_reading("anomalies", "Days that stand out", value, facts, coverage=min(1.0, total / 200), how=how)


def read_forecast() -> Reading:
    """Twelve whole weeks and the four to come, each with its range, as on the Analytics page."""
    rows: list[dict[str, Any]] = []
    for outlook in list_outlooks(current_settings().timezone):
        for week, one in outlook.ahead:
            numbers = {"low": round(one.low), "mean": round(one.mean), "high": round(one.high)}
            rows.append({"what": outlook.label, "week_of": f"{week:%Y-%m-%d}", **numbers})
    facts = {"forecast": rows, "weeks_read": WEEKS, "weeks_ahead": AHEAD}
    value = f"{len(rows)} figures" if rows else "too few whole weeks"
    how = "a straight line through whole weeks, with its prediction interval of 95%"
    coverage = min(1.0, len(rows) / (3 * AHEAD))
    return make_reading("forecast", "Forecast", value, facts, source="/analytics/", coverage=coverage, how=how)


def read_campaigns_under_way() -> Reading:
    """Campaigns that are being sent or wait for their time, with what speaks for a pause or another hour."""
    statement = select(Campaign).where(
        Campaign.state.in_(("sending", "scheduled", "draft")), Campaign.archived_at.is_(None)
    )
    rows, kept = [], {}
    for campaign in db.session.scalars(statement.order_by(Campaign.id.desc()).limit(20)):
        if campaign.state == "draft" and campaign.scheduled_at is None:
            continue
        row = _under_way_row(campaign)
        rows.append(row)
        kept[row["campaign"]] = campaign.id
    value = f"{len(rows)} under way" if rows else "none under way"
    return make_reading(
        "under_way",
        "Campaigns under way",
        value,
        {"under_way": rows},
        source="/campaigns",
        kept={"under_way_ids": kept},
    )


def read_days(first: date, last: date, zone: str) -> dict[str, dict[date, int]]:
    """Each series by day, in the house's time zone; messages and events from the sums of the Analytics page."""
    period = Period(first, last, zone)
    sums = list_each_day(period)

    def by_day(column: Any) -> dict[date, int]:
        day = func.date(func.timezone(zone, column))
        within = column >= period.begins_at, column < period.ends_at
        return {
            row[0]: int(row[1]) for row in db.session.execute(select(day, func.count()).where(*within).group_by(day))
        }

    return {
        "sent": sums["sent"],
        "opens": sums["opened"],
        "clicks": sums["clicked"],
        "left": sums["left"],
        "contacts": by_day(Contact.created_at),
        "bodies": by_day(IntakeBody.received_at),
    }


def describe_share(row: dict[str, Any]) -> str:
    """A share with its interval, as it is shown."""
    if row["percent"] is None:
        return "–"
    return f"{row['percent']}% ({row['low']}–{row['high']}%)"


def _share_row(figure: Figure, before: Figure) -> dict[str, Any]:
    share, change = figure.share, figure.change
    return {
        "kpi": figure.label,
        "of": figure.of,
        "percent": percent_shown(share.value) if share else None,
        "low": percent_shown(share.low) if share else None,
        "high": percent_shown(share.high) if share else None,
        "before_percent": percent_shown(before.share.value) if before.share else None,
        "change_points": points_shown(change.difference) if change else None,
        "change_low": points_shown(change.low) if change else None,
        "change_high": points_shown(change.high) if change else None,
        "is_more_than_chance": "yes" if change and change.is_significant else "no",
        "is_worse": "yes" if change and (change.difference < 0) != (figure.key in BAD_WHEN_UP) else "no",
    }


def _launched_since(first: date, zone: str) -> dict[str, str]:
    since = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))
    rows = db.session.execute(
        select(Campaign.name, Campaign.launched_at).where(Campaign.launched_at >= since).order_by(Campaign.launched_at)
    )
    found: dict[str, str] = {}
    for name, at in rows:
        if at is None:
            continue
        day = at.astimezone(ZoneInfo(zone)).date()
        for shown_on in (day, day + timedelta(days=1)):
            found[f"{shown_on:%Y-%m-%d}"] = one_line(name)[:60]
    return found


def _under_way_row(campaign: Campaign) -> dict[str, Any]:
    columns = (CampaignTally.sent, CampaignTally.failed, CampaignTally.unsubscribed)
    sums = select(*(func.coalesce(func.sum(column), 0) for column in columns))
    sent, failed, left = map(int, db.session.execute(sums.where(CampaignTally.campaign_id == campaign.id)).one())
    zone = ZoneInfo(current_settings().timezone)
    return {
        "campaign": one_line(campaign.name)[:80],
        "state": campaign.state,
        "sent": sent,
        "failed_percent": percent_of(failed, sent + failed) if sent + failed >= FEWEST_SENT else None,
        "left_percent": percent_of(left, sent) if sent >= FEWEST_SENT else None,
        "scheduled_for": f"{campaign.scheduled_at.astimezone(zone):%Y-%m-%d %H:%M}" if campaign.scheduled_at else "",
    }
