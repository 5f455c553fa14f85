"""What happened, what stands out, and where it goes: text on figures that code computes."""

from __future__ import annotations

from typing import Any

from agents.base import Context
from agents.parts.report_tasks import LookBrief, cut, make_examples, make_report_task
from agents.parts.result_parts import Finding, Report, ReportAnswer, ShownFigure, make_figure, make_table, write_report
from agents.sources.analytics import describe_share, read_anomalies, read_forecast, read_periods
from agents.sources.marketing import read_audience, read_campaigns, read_weeks
from agents.sources.readings import gather, shown

# ── What happened ──


def _read_periods(_brief: LookBrief) -> Context:
    return gather((read_periods(), 0.6), (read_campaigns(), 0.3), (read_weeks(), 0.1))


def _complete_periods(_brief: LookBrief, context: Context, answer: ReportAnswer) -> Report:
    kpis, volumes = context.facts["kpis"], context.facts["volumes"]
    figures = [
        make_figure("Sent", volumes["sent"], "periods", note=f"{volumes['sent_before']:,} before"),
        *(ShownFigure(label=one["kpi"], value=shown(one["percent"], "%"), evidence="periods") for one in kpis),
        make_figure(
            "New contacts", volumes["new_contacts"], "periods", note=f"{volumes['new_contacts_before']:,} before"
        ),
        make_figure("Conversions", volumes["conversions"], "periods", note=f"{volumes['conversions_before']:,} before"),
    ]
    rows = [
        (one["kpi"], describe_share(one), shown(one["before_percent"], "%"), _change(one), one["is_more_than_chance"])
        for one in kpis
    ]
    columns = ("Figure", "Now, with its interval", "Before", "Change in points", "More than chance")
    shares = make_table("Shares", columns, rows, numbers=(1, 2, 3))
    names = [
        (one["name"], one["sent"], _share(one["opened_percent"]), _share(one["clicked_percent"]), one["unsubscribed"])
        for one in context.facts["campaigns"]
    ]
    columns = ("Campaign", "Sent", "Opened", "Clicked", "Left")
    campaigns = make_table("Campaigns", columns, names, numbers=(1, 2, 3, 4), empty="Nothing was sent yet.")
    return Report(**answer.model_dump(), figures=figures, tables=[shares, campaigns])


def _change(one: dict[str, Any]) -> str:
    if one["change_points"] is None:
        return "–"
    return f"{one['change_points']:+} ({one['change_low']:+} to {one['change_high']:+})"


def _share(percent: float | None) -> str:
    return shown(percent, "%")


def _play_periods(_brief: LookBrief, context: Context) -> ReportAnswer:
    kpis, volumes = context.facts["kpis"], context.facts["volumes"]
    findings = [_tell_change(one) for one in kpis if one["is_more_than_chance"] == "yes"]
    if volumes["sent"] and not findings:
        what = "Shares moved no more than chance would move them. That is a result: nothing has to be explained."
        findings = [Finding(title="No change beyond chance", what=what, do="Keep on, and look again in a month.")]
    rated = [one for one in context.facts["campaigns"] if one["clicked_percent"] is not None]
    if len(rated) > 1:
        best = max(rated, key=lambda one: float(one["clicked_percent"]))
        what = f"“{best['name']}” was clicked most: {best['clicked_percent']}% of {best['sent']:,}."
        do = "Look at what it did differently: subject, one thing to do, hour. Do that once more."
        findings.append(Finding(title="The most clicked campaign", what=what, do=do))
    if not volumes["new_contacts"]:
        what = f"Nobody was added in this period; it was {volumes['new_contacts_before']:,} before."
        findings.append(Finding(title="No new contacts", what=what, do="Look at the forms and at Operations, Intake."))
    calm = Finding(
        title="Nothing was sent", what="There is nothing to compare in these four weeks.", do="Send a campaign first."
    )
    return write_report(
        findings,
        good="Nothing was sent in the last four weeks, so there is nothing to compare.",
        bad=f"{volumes['sent']:,} messages were sent, {volumes['sent_before']:,} in the period before. "
        "What changed beyond "
        "chance stands first.",
        calm=calm,
    )


def _tell_change(one: dict[str, Any]) -> Finding:
    way = "rose" if one["change_points"] > 0 else "fell"
    what = (
        f"{one['kpi']} {way} from {one['before_percent']}% to {one['percent']}% of {one['of']:,}. The change is "
        f"{_change(one)} points, more than chance alone."
    )
    do = "Look at the newest campaigns one by one."
    if one["is_worse"] == "no":
        do = "Find out what was different, and keep it."
    return Finding(title=cut(f"{one['kpi']} {way}"), what=what, do=do)


WHAT_HAPPENED = make_report_task(
    "what_happened",
    "What happened",
    "Say what happened",
    "Word what happened in the last four weeks beside the four before. The shares, their intervals "
    "and whether a change is "
    "more than chance are computed: say 'changed' only where is_more_than_chance is yes, and claim no cause.",
    _read_periods,
    _complete_periods,
    _play_periods,
    make_examples(
        ("The monthly report", "For everybody.", ""),
        ("After a new rhythm", "Did it help?", "We write twice a month now."),
        ("Fewer opens", "Is it real?", "It feels as if fewer people open."),
    ),
)


# ── Anomalies ──


def _read_anomalies(_brief: LookBrief) -> Context:
    return gather((read_anomalies(), 0.9), (read_audience(), 0.1))


def _complete_anomalies(_brief: LookBrief, context: Context, answer: ReportAnswer) -> Report:
    found, looked = context.facts["anomalies"], context.facts["looked_at"]
    rows = [(one["day"], one["what"], one["count"], f"{one['z']:+}", one["sent_that_day_or_before"]) for one in found]
    columns = ("Day", "What", "Count", "z", "Sent that day or the day before")
    table = make_table("Days that stand out", columns, rows, numbers=(2, 3), empty="No day stands out.")
    figures = [
        make_figure("Days looked at", looked["recent_days"], "anomalies", note=f"of {looked['days']}"),
        make_figure("Stand out", len(found), "anomalies", note=f"z of {looked['z_from']} or more"),
    ]
    return Report(**answer.model_dump(), figures=figures, tables=[table])


def _play_anomalies(_brief: LookBrief, context: Context) -> ReportAnswer:
    findings = []
    for one in context.facts["anomalies"][:8]:
        cause = one["sent_that_day_or_before"]
        likely = "Nothing was sent then." if cause == "nothing" else f"“{cause}” went out then, which explains a peak."
        way = "far more" if float(one["z"]) > 0 else "far fewer"
        what = f"On {one['day']}: {one['count']:,}, {way} than usual (z {one['z']:+}). {likely}"
        do = "Nothing, if you know why." if cause != "nothing" else "Look at that day: a form, an import, a robot?"
        findings.append(Finding(title=cut(f"{one['what']} on {one['day']}"), what=what, do=do))
    calm = Finding(title="No day stands out", what="Every day was within what the others let expect.", do="Nothing.")
    return write_report(
        findings,
        good="No day of the last two weeks stands out.",
        bad=f"{len(context.facts['anomalies'])} counts of the last two weeks stand out, the farthest first.",
        calm=calm,
    )


ANOMALIES = make_report_task(
    "anomalies",
    "Anomalies",
    "Find what stands out",
    "Word which days stand out. The z scores are computed. A likely cause may only be what the data "
    "says was sent then; "
    "where nothing was, say that the cause is not known.",
    _read_anomalies,
    _complete_anomalies,
    _play_anomalies,
    make_examples(
        ("A weekly look", "Everything.", ""),
        ("Many new contacts", "Are they real?", "Very many contacts came on one day."),
        ("A quiet week", "Why?", "Nobody clicked last week."),
    ),
)


# ── Forecast ──


def _read_forecast(_brief: LookBrief) -> Context:
    return gather((read_forecast(), 0.8), (read_weeks(), 0.1), (read_audience(), 0.1))


def _complete_forecast(_brief: LookBrief, context: Context, answer: ReportAnswer) -> Report:
    rows = [(one["what"], one["week_of"], one["low"], one["mean"], one["high"]) for one in context.facts["forecast"]]
    columns = ("What", "Week of", "Low", "Likely", "High")
    empty = "There are too few whole weeks to draw a line through."
    table = make_table("The weeks to come", columns, rows, numbers=(2, 3, 4), empty=empty)
    figures = [
        make_figure("Weeks read", context.facts["weeks_read"], "forecast"),
        make_figure("Weeks ahead", context.facts["weeks_ahead"], "forecast"),
    ]
    return Report(**answer.model_dump(), figures=figures, tables=[table])


def _play_forecast(_brief: LookBrief, context: Context) -> ReportAnswer:
    findings = []
    rows = context.facts["forecast"]
    for what in dict.fromkeys(one["what"] for one in rows):
        own = [one for one in rows if one["what"] == what]
        first, last = own[0], own[-1]
        way = "rise" if last["mean"] > first["mean"] else "fall" if last["mean"] < first["mean"] else "stay as they are"
        words = f"{what} would {way} if nothing changes: {first['mean']:,} in the week of {first['week_of']} "
        words += f"({first['low']:,} to {first['high']:,}), {last['mean']:,} in that of {last['week_of']} "
        words += f"({last['low']:,} to {last['high']:,})."
        do = "Plan with the low figure; the range is wide where weeks differ much."
        findings.append(Finding(title=cut(what), what=words, do=do))
    calm = Finding(title="Too early", what="There are fewer than four whole weeks to read.", do="Come back in a month.")
    return write_report(
        findings,
        good="It is too early for a forecast.",
        bad="If the next weeks are as the last ones were, this is what comes. A forecast knows nothing of your plans.",
        calm=calm,
    )


FORECAST = make_report_task(
    "forecast",
    "Forecast",
    "Look ahead",
    "Word a forecast. Low, likely and high figures are computed; always give the range with the "
    "figure, and say that it "
    "holds only if nothing changes.",
    _read_forecast,
    _complete_forecast,
    _play_forecast,
    make_examples(
        ("The next month", "What comes if nothing changes?", ""),
        ("Before a goal", "Is it in reach?", "We would like to grow twice as fast."),
        ("Before a plan", "What may we count on?", "We plan the next quarter."),
    ),
)
