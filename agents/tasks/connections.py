"""Reports on what comes in: the programs that send contacts, and the bodies that died on the way."""

from __future__ import annotations

from agents.base import Context, ProposedAction
from agents.parts.report_tasks import LookBrief, cut, make_examples, make_report_task, share
from agents.parts.result_parts import Finding, Report, ReportAnswer, make_figure, make_table, write_report
from agents.sources.operations import read_intake, read_senders
from agents.sources.readings import counted, gather

SILENT_DAYS, MANY_DEAD_PERCENT = 7, 5.0

# ── Integrations ──


def _read_integrations(_brief: LookBrief) -> Context:
    return gather((read_senders(), 0.6), (read_intake(), 0.4))


def _complete_integrations(_brief: LookBrief, context: Context, answer: ReportAnswer) -> Report:
    senders, intake = context.facts["senders"], context.facts["intake"]
    rows = [(one["sender"], one["bodies_in_30_days"], one["dead"], one["last_used_days_ago"]) for one in senders]
    table = make_table(
        "Senders",
        ("Sender", "Bodies in 30 days", "Dead", "Last used, days ago"),
        rows,
        numbers=(1, 2, 3),
        empty="There is no credential yet. Make one in Settings, Connections.",
    )
    figures = [
        make_figure("Bodies kept", intake["received"], "intake"),
        make_figure("Done", intake["done"], "intake"),
        make_figure("Dead", intake["dead"], "intake"),
        make_figure("Waiting too long", intake["waiting_longer_than_5_minutes"], "intake"),
    ]
    return Report(**answer.model_dump(), figures=figures, tables=[table])


def _play_integrations(_brief: LookBrief, context: Context) -> ReportAnswer:
    findings: list[Finding] = []
    for one in context.facts["senders"]:
        name, days = one["sender"], one["last_used_days_ago"]
        if (one["dead_percent"] or 0) >= MANY_DEAD_PERCENT:
            what = f"{one['dead']} of {one['bodies_in_30_days']} bodies of {name} could not be made a contact."
            do = "Open the inbox, say which key holds the address, and replay them."
            findings.append(Finding(title=cut(f"{name} sends what LUX cannot use"), what=what, do=do))
        if days is None:
            what = f"{name} has never been used."
            findings.append(Finding(title=cut(f"{name} is silent"), what=what, do="Connect it, or revoke it."))
        elif days >= SILENT_DAYS:
            what = f"{name} was last used {days} days ago."
            do = "Look at the sender's own history; if it is not used any more, revoke it."
            findings.append(Finding(title=cut(f"{name} has gone silent"), what=what, do=do))
    late = context.facts["intake"]["waiting_longer_than_5_minutes"]
    if late:
        do = "Look at Diagnostics: is a worker running, is the clock?"
        findings.insert(0, Finding(title="Bodies wait", what=f"{late} bodies wait longer than they should.", do=do))
    calm = Finding(title="Nothing is wrong", what="Every sender is heard, and nothing waits.", do="Nothing.")
    return write_report(
        findings,
        good="All connections work as they should.",
        bad=f"{len(findings)} things about your connections deserve a look, the first one first.",
        calm=calm,
    )


INTEGRATION_HEALTH = make_report_task(
    "integration_health",
    "Integration health",
    "Look at the connections",
    "Report on the programs that send contacts to LUX: who is heard, who has gone silent, whose bodies die.",
    _read_integrations,
    _complete_integrations,
    _play_integrations,
    make_examples(
        ("A weekly look", "Everything.", ""),
        ("A form is silent", "Nothing arrives.", "The website form brings nobody any more."),
        ("After a change", "Did it work?", "We changed the Zap yesterday."),
    ),
    tasks_at="/settings/connections/",
)


# ── The webhook inbox ──


def _read_inbox(_brief: LookBrief) -> Context:
    return gather((read_intake(), 0.8), (read_senders(), 0.2))


def _complete_inbox(_brief: LookBrief, context: Context, answer: ReportAnswer) -> Report:
    intake = context.facts["intake"]
    rows = [(one["reason"], one["dead"], one["advice"]) for one in context.facts["dead_by_reason"]]
    table = make_table(
        "Dead bodies by reason", ("Reason", "Bodies", "What to do"), rows, numbers=(1,), empty="None is dead."
    )
    figures = [
        make_figure("Bodies kept", intake["received"], "intake"),
        make_figure("Done", intake["done"], "intake"),
        make_figure("Dead", intake["dead"], "intake", note=share(intake["dead_percent"])),
    ]
    return Report(**answer.model_dump(), figures=figures, tables=[table])


def _play_inbox(_brief: LookBrief, context: Context) -> ReportAnswer:
    findings = [
        Finding(
            title=cut(one["reason"]),
            what=f"{one['dead']:,} bodies are dead for this reason. None of them is lost.",
            do=one["advice"] or "Open one of them in the inbox.",
        )
        for one in context.facts["dead_by_reason"]
    ]
    received = context.facts["intake"]["received"]
    calm = Finding(title="Nothing is dead", what="Every body that came was read.", do="Nothing.")
    return write_report(
        findings,
        good="Every body that came was read." if received else "No program has posted anything yet.",
        bad=f"{context.facts['intake']['dead']:,} of {received:,} bodies could not be made a contact. "
        "They wait in the inbox.",
        calm=calm,
    )


def _propose_replay(_brief: LookBrief, context: Context, _report: Report) -> list[ProposedAction]:
    keys: dict[str, str] = context.kept["dead_reasons"]
    return [
        ProposedAction(
            "replay_intake",
            f"Replay {counted(one['dead'], 'dead body', 'dead bodies')}: {one['reason']}",
            {"reason": keys[one["reason"]]},
            one["advice"] or "They may be readable by now.",
            f"{counted(one['dead'], 'body is', 'bodies are')} read again by today's rules. None can be lost by it.",
            f"replay-{keys[one['reason']]}",
        )
        for one in context.facts["dead_by_reason"]
        if keys.get(one["reason"])
    ]


INTAKE = make_report_task(
    "intake",
    "Intake",
    "Look at dead bodies",
    "Report on the webhook inbox: what came, what died and for which reason, what would bring it back to life.",
    _read_inbox,
    _complete_inbox,
    _play_inbox,
    make_examples(
        ("A weekly look", "Everything.", ""),
        ("Somebody is missing", "Where did it go?", "Somebody filled in the form and is not in LUX."),
        ("After a new mapping", "Try again.", "We have just mapped the key correo."),
    ),
    _propose_replay,
)
