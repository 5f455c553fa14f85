"""What the analytics agent reads: sums by SQL, statistics by lib/proportions.py and lib/trends.py."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from agents.sources.readings import FEWEST_SENT, Reading, make_reading, percent_of
from campaigns.figures import PERIOD_DAYS, Total, sum_period
from config import current_settings
from extensions import db
from lib.clean_text import one_line
from lib.proportions import compare, wilson
from lib.trends import OUTLYING_Z, forecast, modified_z
from models import Campaign, CampaignTally, Contact, IntakeBody, Message, TrackingEvent

DAYS, LOOKED_AT, WEEKS, AHEAD = 56, 14, 12, 4
SERIES = {
    "sent": "Messages sent",
    "opens": "Opens by people",
    "clicks": "Clicks by people",
    "left": "Unsubscribes",
    "contacts": "New contacts",
    "bodies": "Webhook bodies",
}


def read_periods() -> Reading:
    """Four weeks beside the four before: shares with their intervals, and whether the change is more than chance."""
    now = datetime.now(UTC)
    this, before = sum_period(now), sum_period(now, 1)
    kpis = [
        _share_row("Delivered", (this.sent, _tried(this)), (before.sent, _tried(before))),
        _share_row("Opened", (this.opened, this.sent), (before.opened, before.sent)),
        _share_row("Clicked", (this.clicked, this.sent), (before.clicked, before.sent)),
    ]
    since, earlier = now - timedelta(days=PERIOD_DAYS), now - timedelta(days=2 * PERIOD_DAYS)
    added = db.session.execute(
        select(
            func.count().filter(Contact.created_at >= since),
            func.count().filter(Contact.created_at >= earlier, Contact.created_at < since),
        )
    ).one()
    volumes = {
        "sent": this.sent,
        "sent_before": before.sent,
        "new_contacts": added[0],
        "new_contacts_before": added[1],
    }
    facts = {"kpis": kpis, "volumes": volumes, "period": f"the last {PERIOD_DAYS} days beside the {PERIOD_DAYS} before"}
    value = f"{this.sent:,} messages in {PERIOD_DAYS} days, {before.sent:,} before"
    how = "intervals of 95% by Wilson and Newcombe, the test of two shares; opens and clicks of people only"
    return make_reading("periods", "Two periods", value, facts, source="/", coverage=min(1.0, this.sent / 200), how=how)


def read_anomalies() -> Reading:
    """Days of the last two weeks that stand out of eight, with what was sent on them."""
    zone = current_settings().timezone
    today = datetime.now(ZoneInfo(zone)).date()
    days = [today - timedelta(days=DAYS - at) for at in range(DAYS)]
    found: list[dict[str, Any]] = []
    series = read_days(days[0], zone)
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
    """Twelve whole weeks and the four to come, each with its range."""
    zone = current_settings().timezone
    today = datetime.now(ZoneInfo(zone)).date()
    monday = today - timedelta(days=today.weekday())
    starts = [monday - timedelta(weeks=WEEKS - at) for at in range(WEEKS)]
    series = read_days(starts[0], zone)
    rows: list[dict[str, Any]] = []
    for key in ("contacts", "sent", "clicks"):
        weekly = [sum(series[key].get(start + timedelta(days=at), 0) for at in range(7)) for start in starts]
        # Weeks before the first event are not weeks without events.
        while weekly and not weekly[0]:
            weekly.pop(0)
        ranges = forecast([float(one) for one in weekly], AHEAD)
        for at, one in enumerate(ranges or []):
            rows.append(
                {
                    "what": SERIES[key],
                    "week_of": f"{monday + timedelta(weeks=at):%Y-%m-%d}",
                    "low": round(one.low),
                    "mean": round(one.mean),
                    "high": round(one.high),
                }
            )
    facts = {"forecast": rows, "weeks_read": WEEKS, "weeks_ahead": AHEAD}
    value = f"{len(rows)} figures" if rows else "too few whole weeks"
    how = "a straight line through whole weeks, with its prediction interval of 95%"
    return make_reading("forecast", "Forecast", value, facts, coverage=min(1.0, len(rows) / (3 * AHEAD)), how=how)


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


def read_days(first: date, zone: str) -> dict[str, dict[date, int]]:
    """Each series by day, in the house's time zone."""
    since = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))

    def by_day(column: Any, *conditions: Any) -> dict[date, int]:
        day = func.date(func.timezone(zone, column))
        rows = db.session.execute(select(day, func.count()).where(column >= since, *conditions).group_by(day))
        return {row[0]: int(row[1]) for row in rows}

    human = TrackingEvent.actor == "human"
    return {
        "sent": by_day(Message.finished_at, Message.state == "sent"),
        "opens": by_day(TrackingEvent.at, TrackingEvent.kind == "open", human),
        "clicks": by_day(TrackingEvent.at, TrackingEvent.kind == "click", human),
        "left": by_day(TrackingEvent.at, TrackingEvent.kind == "unsubscribe"),
        "contacts": by_day(Contact.created_at),
        "bodies": by_day(IntakeBody.received_at),
    }


def describe_share(row: dict[str, Any]) -> str:
    """A share with its interval, as it is shown."""
    if row["percent"] is None:
        return "–"
    return f"{row['percent']}% ({row['low']}–{row['high']}%)"


def _share_row(name: str, now: tuple[int, int], before: tuple[int, int]) -> dict[str, Any]:
    share, change = wilson(*now), compare(before, now)
    row: dict[str, Any] = {"kpi": name, "of": now[1], "percent": percent_of(*now)}
    row |= {"low": _percent(share.low) if share else None, "high": _percent(share.high) if share else None}
    row["before_percent"] = percent_of(*before)
    row["change_points"] = _percent(change.difference) if change else None
    row["change_low"] = _percent(change.low) if change else None
    row["change_high"] = _percent(change.high) if change else None
    row["is_more_than_chance"] = "yes" if change and change.is_significant else "no"
    return row


def _percent(share: float) -> float:
    return round(100 * share, 1)


def _tried(total: Total) -> int:
    return total.sent + total.failed + total.unknown


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
