"""Writes the tables of docs/diagnosis.md: `python -m tests.diagnosis.table`; with --model the model is asked too.

The column of the model is filled only where a key is set (OPENAI_API_KEY); its answers are kept beside the cases in
model_answers.json, so that the table can be made again without asking anew.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ai import ModelFailed, Question, ask
from app import create_app
from diagnosis import RULES
from diagnosis.base import NOTHING_WRONG, UNKNOWN, Offer, Rule
from diagnosis.deciding import diagnose
from diagnosis.reading import signals_of_text
from tests.diagnosis.cases import Case, list_cases

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "diagnosis.md"
ANSWERS = Path(__file__).parent / "model_answers.json"
RULES_MARK, CASES_MARK = "<!-- rules -->", "<!-- cases -->"
FAMILIES = {
    "records": "records of real programs, given with the project",
    "proxy": "nginx",
    "gunicorn": "gunicorn and systemd",
    "database": "PostgreSQL and the schema",
    "machine": "disk, files, names, certificates",
    "model": "the model's service",
    "mail": "the mail server",
    "sign_in": "signing in and tokens",
    "code": "code and contracts",
    "clock": "the clock and the queue",
    "health": "health checks",
    "chains": "two faults in one excerpt: the cause must come first",
    "fragments": "lines copied alone, old and new wordings",
    "controls": "controls: nothing is wrong, or just looks so",
    "forged": "texts that strangers wrote into requests and values",
    "unknown": "faults that no rule knows",
}


def make_page(page: str) -> str:
    """The page with its two tables made anew."""
    page = _replaced(page, RULES_MARK, rules_table())
    return _replaced(page, CASES_MARK, cases_table())


def rules_table() -> str:
    """A row for each rule, in the order in which they are asked."""
    rows = ["| row | rule | class | cause | trap | repairs |", "|---|---|---|---|---|---|"]
    rows += [
        f"| {rule.row} | `{rule.key}` | {rule.class_} | {_cell(rule.cause)} | {_cell(rule.trap)} | {_repairs(rule)} |"
        for rule in RULES
    ]
    return "\n".join(rows)


def cases_table() -> str:
    """How many cases of each family are answered rightly: cause first, evidence cited, only the rule's repairs."""
    answers = read_answers()
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    by_model: Counter[str] = Counter()
    for case in list_cases():
        total[case.kind] += 1
        right[case.kind] += is_right(case)
        by_model[case.kind] += answers.get(str(case)) == case.rule
    rows = ["| family | cases | right by the rules | right by the model alone |", "|---|---|---|---|"]
    rows += [
        f"| {FAMILIES[kind]} | {total[kind]} | {right[kind]} | {by_model[kind] if answers else '–'} |"
        for kind in FAMILIES
    ]
    everything = f"{sum(by_model.values())}" if answers else "–"
    rows.append(f"| **all** | **{sum(total.values())}** | **{sum(right.values())}** | **{everything}** |")
    return "\n".join(rows)


def is_right(case: Case) -> bool:
    """Whether the rules answer the case as they should."""
    first = diagnose(signals_of_text(case.text))[0]
    has_evidence = bool(first.evidence) or first.rule in (NOTHING_WRONG, UNKNOWN)
    return first.rule == case.rule and has_evidence and {f"text:{n}" for n in case.lines} <= set(first.evidence)


def read_answers() -> dict[str, str]:
    """What the model said the last time it was asked; empty when it never was."""
    return dict(json.loads(ANSWERS.read_text())) if ANSWERS.exists() else {}


def ask_model() -> dict[str, str]:
    """Puts every case to the model alone: the text, and the rules' keys to choose from."""
    keys = [*(rule.key for rule in RULES), NOTHING_WRONG, UNKNOWN]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"rule": {"type": "string", "enum": keys}},
        "required": ["rule"],
        "additionalProperties": False,
    }
    causes = "\n".join(f"{rule.key}: {rule.cause}" for rule in RULES)
    order = f"Which of these is the cause of what the operator's text shows?\n{causes}\n{NOTHING_WRONG}\n{UNKNOWN}"
    answers = {}
    for case in list_cases():
        messages = [{"role": "system", "content": order}, {"role": "user", "content": case.text[-12_000:]}]
        question = Question("diagnosis.suite", messages, schema, "cause", longest_answer_tokens=100, temperature=0.0)
        try:
            answers[str(case)] = str(json.loads(ask(question).text).get("rule"))
        except (ModelFailed, ValueError) as error:
            answers[str(case)] = f"({type(error).__name__})"
    return answers


def _repairs(rule: Rule) -> str:
    return ", ".join(_offer(offer) for offer in rule.repairs) or "a person"


def _offer(offer: Offer) -> str:
    return f"`{offer.id}` {offer.tier}" + (f" ({offer.home}: {offer.at_home})" if offer.at_home else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|") or "–"


def _replaced(page: str, mark: str, table: str) -> str:
    before, _, rest = page.partition(mark)
    _, _, after = rest.partition(mark)
    return f"{before}{mark}\n\n{table}\n\n{mark}{after}"


if __name__ == "__main__":
    if "--model" in sys.argv:
        with create_app().app_context():
            ANSWERS.write_text(json.dumps(ask_model(), indent=1) + "\n")
    PAGE.write_text(make_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
