"""Whether mail arrives: the domain's records, what servers refuse, and what may be tried again."""

from __future__ import annotations

from agents.base import Context, ProposedAction
from agents.parts.report_tasks import LookBrief, cut, make_examples, make_report_task, share
from agents.parts.result_parts import Finding, Report, ReportAnswer, make_figure, make_table, write_report
from agents.sources.operations import read_deliverability, read_failed_campaigns
from agents.sources.readings import gather

MANY_REFUSED_PERCENT = 5.0


def _read_delivery(_brief: LookBrief) -> Context:
    return gather((read_deliverability(), 0.9), (read_failed_campaigns(), 0.1))


def _complete_delivery(_brief: LookBrief, context: Context, answer: ReportAnswer) -> Report:
    facts = context.facts
    month = facts["messages_in_30_days"]
    records = make_table(
        "Records of the sender's domain",
        ("Record", "State", "What to do"),
        [
            (one["record"], WORDS[one["state"]], one["advice"] if one["state"] != "pass" else "–")
            for one in facts["records"]
        ],
        empty="MAIL_FROM is not set, so there is no domain to look at.",
    )
    domains = make_table(
        "By receiving domain",
        ("Domain", "Tried", "Refused", "Share"),
        [
            (one["domain"], one["tried"], one["refused"], share(one["refused_percent"]))
            for one in facts["by_receiving_domain"]
        ],
        numbers=(1, 2, 3),
        empty="Too little was sent in the last month to say anything about a domain.",
    )
    figures = [
        make_figure("Tried in 30 days", month["tried"], "delivery"),
        make_figure("Refused", month["refused_percent"], "delivery", unit="%"),
        make_figure("Bounced contacts", month["bounced_contacts"], "delivery"),
        make_figure("Complaints", month["complained_contacts"], "delivery"),
    ]
    return Report(**answer.model_dump(), figures=figures, tables=[records, domains])


WORDS = {"pass": "right", "warn": "missing or wrong", "unknown": "could not be looked up"}


def _play_delivery(_brief: LookBrief, context: Context) -> ReportAnswer:
    facts = context.facts
    findings: list[Finding] = []
    if facts["sender"]["channel"] != "open":
        what = f"E-mail does not send now: {facts['sender']['channel']}."
        findings.append(Finding(title="The channel is closed", what=what[:700], do="Look at Settings, Channels."))
    if facts["sender"]["postal_address"] != "set":
        what = "POSTAL_ADDRESS is not set, so sending stays blocked."
        findings.append(
            Finding(title="No postal address", what=what, do="Set it: the law of most countries asks for it.")
        )
    for one in facts["records"]:
        if one["state"] == "warn":
            what = f"The record {one['record']} of {facts['sender']['domain']} is missing or wrong."
            findings.append(Finding(title=cut(f"{one['record']} is missing or wrong"), what=what, do=one["advice"]))
    for one in facts["by_receiving_domain"]:
        if (one["refused_percent"] or 0) >= MANY_REFUSED_PERCENT:
            what = f"{one['domain']} refused {one['refused']:,} of {one['tried']:,} messages."
            do = "Send to it more slowly, and only to people who opened lately, until it takes them again."
            findings.append(Finding(title=cut(f"{one['domain']} refuses"), what=what, do=do))
    calm = Finding(title="Mail arrives", what="Records are right, and servers take the mail.", do="Nothing.")
    return write_report(
        findings,
        good="Mail arrives: the records are right, and servers take what is sent.",
        bad=f"{len(findings)} things stand between your mail and its readers.",
        calm=calm,
    )


def _propose_retry(_brief: LookBrief, context: Context, _report: Report) -> list[ProposedAction]:
    return [
        ProposedAction(
            "retry_campaign",
            f"Retry the failed messages of “{name}”",
            {"campaign_id": campaign_id},
            "Messages fail for a day's fault of a server as well; who is subscribed still may get it now.",
            f"Up to {failed:,} messages are tried again. What was sent is not sent twice.",
            f"retry-{campaign_id}",
        )
        for campaign_id, name, failed in context.kept["failed_campaigns"]
    ]


DELIVERABILITY = make_report_task(
    "deliverability",
    "Deliverability",
    "See whether mail arrives",
    "Report on whether this sender's mail arrives: the records of its domain, what servers refused, what is spared.",
    _read_delivery,
    _complete_delivery,
    _play_delivery,
    make_examples(
        ("A weekly look", "Everything.", ""),
        ("Before a large send", "Are we ready?", "We want to write to everybody next week."),
        ("Fewer opens", "Does it land in spam?", "Fewer people open than a month ago."),
    ),
    _propose_retry,
    tasks_at="/settings/channels/",
)
