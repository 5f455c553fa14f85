"""Every repair keeps its promises, and diagnosis and repairs know the same ids."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

import worker
from config import current_settings
from diagnosis import RULES
from diagnosis.base import Surroundings
from probes.dependencies import DEPENDENCIES
from repairs import REPAIRS
from repairs.base import FINAL, Repair, Situation, digest_of
from repairs.retry_job import IDEMPOTENT

FOLDER = Path(__file__).resolve().parent.parent.parent / "repairs"
# What repairs stand on, rather than a repair.
BENCH = {
    "__init__", "base", "carrying_out", "proving", "rescue", "system_proof", "treating", "unit_verb", "whole_system",
}  # fmt: skip
ANYWHERE = [Surroundings(is_production=False), Surroundings(is_production=True, is_database_embedded=False)]
every_repair = pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: repair.id)


def test_each_file_is_a_repair_and_each_repair_a_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - BENCH == {repair.id for repair in REPAIRS}
    assert len({repair.id for repair in REPAIRS}) == len(REPAIRS)


def test_rules_and_repairs_know_the_same_ids() -> None:
    named = {offer.id for rule in RULES for offer in rule.repairs}
    assert named == {repair.id for repair in REPAIRS}


def test_a_rule_never_offers_a_repair_under_a_lower_tier_than_its_own() -> None:
    known = {repair.id: repair for repair in REPAIRS}
    for rule in RULES:
        for offer in rule.repairs:
            for surroundings in ANYWHERE:
                own = known[offer.id].tier_in(surroundings)
                assert offer.option(surroundings).tier == own, f"{rule.key} offers {offer.id}"


@every_repair
def test_it_says_what_it_is(repair: Repair) -> None:
    assert repair.title and repair.changes.endswith(".") and repair.undo_words
    assert {repair.tier_in(surroundings) for surroundings in ANYWHERE} <= {"A", "P"}
    assert repair.cooldown.total_seconds() >= 60
    assert 0 < repair.daily_limit <= 100
    assert set(repair.dependencies) <= {dependency.key for dependency in DEPENDENCIES}


@every_repair
def test_it_can_be_undone_or_says_that_it_cannot(repair: Repair) -> None:
    overrides = type(repair).undo is not Repair.undo
    assert overrides == repair.can_be_undone or repair.undo_words.startswith(FINAL)
    assert overrides or repair.undo_words.startswith(FINAL)


@every_repair
def test_it_looks_and_says_what_it_would_do_without_changing_anything(
    app: Flask, repair: Repair, database_hash: str, hash_database: object
) -> None:
    situation = Situation(current_settings(), facts={"task": "import_contacts"})
    obstacle = repair.find_obstacle(situation)
    if obstacle is None:
        text = repair.say_dry_run(situation)
        assert repair.id in text and "Undo:" in text
        assert digest_of(text) == digest_of(repair.say_dry_run(situation)), "the text changes by itself"
    else:
        assert obstacle.endswith((".", "?")) and "Traceback" not in obstacle
    assert callable(hash_database)
    assert hash_database() == database_hash


def test_what_is_declared_idempotent_is_a_task_of_the_worker() -> None:
    assert set(IDEMPOTENT) <= {task.name for task in worker.TASKS}
