"""Reports on contacts' data: rules that fail, and contacts that may be one person."""

from __future__ import annotations

from agents.base import Context, ProposedAction
from agents.parts.report_tasks import LookBrief, cut, make_examples, make_report_task, share
from agents.parts.result_parts import Finding, Report, ReportAnswer, make_figure, make_table, write_report
from agents.sources.marketing import read_audience
from agents.sources.operations import read_data_quality, read_duplicates
from agents.sources.readings import gather

# ── Data quality ──


def _read_quality(_brief: LookBrief) -> Context:
    return gather((read_data_quality(), 0.9), (read_audience(), 0.1))


def _complete_quality(_brief: LookBrief, context: Context, answer: ReportAnswer) -> Report:
    rows = [(one["rule"], one["failing"], share(one["percent"]), one["examples"]) for one in context.facts["failing"]]
    table = make_table(
        "Rules that fail",
        ("Rule", "Contacts", "Share", "For example"),
        rows,
        numbers=(1, 2),
        empty="Every contact passes every rule.",
    )
    figures = [
        make_figure("Contacts", context.facts["contacts"], "quality"),
        make_figure("Rules looked at", len(context.facts["rules_checked"]), "quality"),
        make_figure("Rules that fail", len(context.facts["failing"]), "quality"),
    ]
    return Report(**answer.model_dump(), figures=figures, tables=[table])


FIXES = {
    "No name": "Ask for the first name in the form, and use fallbacks in every merge tag until then.",
    "No source": "Have each sender post a source, so that you see which one is worth its money.",
    "A phone number that cannot be read": "Set DEFAULT_PHONE_REGION, or ask for the country code in the form.",
    "A shared address such as info@": "Write to them less often; a team reads it, and one of them complains.",
    "Subscribed without a line in the consent ledger": "Find out where they came from, and ask them to confirm.",
    "Subscribed and suppressed at once": "Leave it: LUX writes to none of them. Look at how they were subscribed "
    "again.",
    "A name that is an address or a number": "Correct the form's field, or the mapping of its key.",
}


def _play_quality(_brief: LookBrief, context: Context) -> ReportAnswer:
    findings = [
        Finding(
            title=cut(one["rule"]),
            what=f"{one['failing']:,} contacts ({share(one['percent'])}), for example {one['examples']}.",
            do=FIXES.get(one["rule"], "Look at the examples."),
        )
        for one in context.facts["failing"]
    ]
    calm = Finding(title="Clean", what="Every contact passes every rule.", do="Look again after the next import.")
    total = context.facts["contacts"]
    return write_report(
        findings,
        good="The data is clean.",
        bad=f"Of {total:,} contacts some fail {len(findings)} rules. The rule with the most contacts comes first.",
        calm=calm,
    )


DATA_QUALITY = make_report_task(
    "data_quality",
    "Data quality",
    "Look at the data",
    "Report on the quality of contacts' data: each rule that fails, how many, and the fix. Name "
    "contacts by #number only.",
    _read_quality,
    _complete_quality,
    _play_quality,
    make_examples(
        ("A monthly look", "Everything.", ""),
        ("Before an import", "What is wrong already?", "We import a large file next week."),
        ("Odd greetings", "Names look wrong.", "Some people were greeted with their address."),
    ),
    tasks_at="/contacts/",
)


# ── Doubles ──


def _read_doubles(_brief: LookBrief) -> Context:
    return gather((read_duplicates(), 1.0))


def _complete_doubles(_brief: LookBrief, context: Context, answer: ReportAnswer) -> Report:
    rows = [
        (one["contacts"], one["likelihood"], one["reason"].split("; ")[0], one["note"] or "–")
        for one in context.facts["pairs"]
    ]
    table = make_table(
        "Preview of merges",
        ("Keep, merge", "Likely, %", "Why", "Mind"),
        rows,
        numbers=(1,),
        empty="No two contacts look like one person.",
    )
    figures = [make_figure("Pairs", context.facts["found"]["pairs"], "duplicates")]
    figures += [
        make_figure(word, number, "duplicates") for word, number in context.facts["found_by_likelihood"].items()
    ]
    return Report(**answer.model_dump(), figures=figures, tables=[table])


def _play_doubles(_brief: LookBrief, context: Context) -> ReportAnswer:
    findings = [
        Finding(
            title=cut(one["reason"][:1].upper() + one["reason"][1:]),
            what=f"{one['pairs']:,} pairs of contacts share it.",
            do="Look at a few of them first: families and offices share a phone. Then merge what is one person.",
        )
        for one in context.facts["doubles"]
    ]
    calm = Finding(title="No doubles", what="No two contacts look like one person.", do="Look again after an import.")
    return write_report(
        findings,
        good="No two contacts look like one person.",
        bad="Some contacts may be one person. Nothing was merged: each proposal shows first what would become of both.",
        calm=calm,
    )


def _propose_merges(_brief: LookBrief, context: Context, _report: Report) -> list[ProposedAction]:
    return [
        ProposedAction(
            "merge_contacts",
            f"Merge contact #{one['gone_id']} into #{one['kept_id']}",
            {"kept_id": one["kept_id"], "gone_id": one["gone_id"]},
            f"{one['likelihood']}% likely one person: {one['reason']}.",
            "One person gets each message once. A no of either one holds for both, and undo brings both back.",
            f"merge-{one['kept_id']}-{one['gone_id']}",
        )
        for one in context.kept["merges"]
    ]


DUPLICATES = make_report_task(
    "duplicates",
    "Duplicates",
    "Look for doubles",
    "Report on contacts that may be one person. Nothing is merged by you. Name contacts by #number "
    "only. Say what must be "
    "looked at before a merge: families share a phone, and whoever has left must stay left alone.",
    _read_doubles,
    _complete_doubles,
    _play_doubles,
    make_examples(
        ("A monthly look", "Everything.", ""),
        ("After an import", "Did it bring doubles?", "We imported the fair's list twice."),
        ("Somebody got it twice", "Why?", "A customer got the same letter twice."),
    ),
    _propose_merges,
)
