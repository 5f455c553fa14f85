"""Every case of the suite: the right rule first, evidence cited, only allowed repairs; and the rules keep "
"their form."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from diagnosis import RULES
from diagnosis.base import NOISE, NOTHING_WRONG, TIERS, UNKNOWN
from diagnosis.deciding import diagnose
from diagnosis.reading import signals_of_text
from lib.log_classes import CLASSES
from tests.diagnosis.cases import Case, list_cases

BY_KEY = {rule.key: rule for rule in RULES}
NO_FAULT = (NOTHING_WRONG, UNKNOWN)
REPAIRS = {
    "dispose_pools", "end_idle_transactions", "start_database", "migrate_database", "open_circuit", "close_circuit",
    "use_fallback_model", "pause_channel", "resume_channel", "slow_domain", "release_claims", "retry_job",
    "drain_spools", "replay_intake", "prune_files", "drop_oauth_token", "reelect_clock", "mark_noise",
    "reload_gunicorn", "restart_unit", "vacuum_journal", "stop_stale_process",
}  # fmt: skip


@pytest.mark.parametrize("case", list_cases(), ids=str)
def test_the_right_cause_comes_first_with_its_evidence(case: Case) -> None:
    first = diagnose(signals_of_text(case.text))[0]
    assert first.rule == case.rule, first
    assert {f"text:{number}" for number in case.lines} <= set(first.evidence)
    if first.rule not in NO_FAULT:
        assert first.evidence
        assert {option.id for option in first.repairs} <= {offer.id for offer in BY_KEY[first.rule].repairs}
        assert 0.5 <= first.confidence <= 1
    if first.rule == NOTHING_WRONG:
        assert {option.id for option in first.repairs} <= {"mark_noise"}
    if first.rule == UNKNOWN:
        assert first.repairs == ()
        assert first.looked_at


def test_cases_are_many_and_every_rule_that_reads_texts_has_one() -> None:
    counts = Counter(case.rule for case in list_cases())
    assert sum(counts.values()) >= 300
    assert {rule.key for rule in RULES} - set(counts) <= {"sign-in-declined", "scanner-noise"}
    assert counts[NOTHING_WRONG] >= 30
    assert counts[UNKNOWN] >= 10


def test_every_rule_says_what_it_must() -> None:
    assert len(BY_KEY) == len(RULES)
    for rule in RULES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.key), rule.key
        assert rule.class_ in CLASSES, rule.key
        assert rule.cause.endswith("."), rule.key
        assert rule.advice or rule.class_ == NOISE, rule.key
        assert set(rule.explains) <= set(BY_KEY), (rule.key, set(rule.explains) - set(BY_KEY))


def test_rules_name_every_repair_and_no_other() -> None:
    offers = [offer for rule in RULES for offer in rule.repairs]
    assert {offer.id for offer in offers} == REPAIRS
    assert all(offer.tier in TIERS and offer.at_home in ("", *TIERS) for offer in offers)


def test_every_row_of_the_table_of_operations_has_its_rule() -> None:
    rows = {rule.row for rule in RULES}
    wanted = set(re.findall(r"\d+", "1 2 4 5 6 8 9 11 12 14 15 17 18 20 21 22 24 25 26 27 29 30 31 32 34 35 38 40"))
    assert wanted <= rows
