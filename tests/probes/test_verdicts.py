"""The definition of resolved: every condition is needed, one sign of failing is enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from probes.base import TestResult
from probes.verdicts import FAILING, QUIET, RESOLVED, VERIFYING, Proof, decide


def result(key: str, *, passed: bool, seen: str = "") -> TestResult:
    return TestResult("endpoint", "try it", "it works", seen or ("fine" if passed else "status 500"), passed, key)


CAUSE = result("post-check", passed=True)
PROBED = Proof(
    cause=[CAUSE],
    baseline=[result("view:x", passed=False)],
    symptom=[result("view:x", passed=True)] * 3,
)
TRAVELLED = Proof(cause=[CAUSE], successes=30, needed_successes=30)


def test_it_is_resolved_by_three_probes_that_failed_before() -> None:
    assert decide(PROBED).state == RESOLVED


def test_it_is_resolved_by_enough_real_successes() -> None:
    assert decide(TRAVELLED).state == RESOLVED


@pytest.mark.parametrize("proof", [PROBED, TRAVELLED], ids=["probed", "travelled"])
def test_it_is_not_resolved_while_nothing_addressed_the_cause(proof: Proof) -> None:
    assert decide(replace(proof, cause=[])).state == VERIFYING
    assert decide(replace(proof, cause=[result("post-check", passed=False)])).state == FAILING


@pytest.mark.parametrize("proof", [PROBED, TRAVELLED], ids=["probed", "travelled"])
def test_one_new_error_is_enough_to_say_that_it_fails(proof: Proof) -> None:
    assert decide(replace(proof, new_errors=1)).state == FAILING


@pytest.mark.parametrize("proof", [PROBED, TRAVELLED], ids=["probed", "travelled"])
def test_another_error_at_the_same_place_is_not_a_solution(proof: Proof) -> None:
    assert decide(replace(proof, new_groups=["KeyError"])).state == FAILING


def test_a_probe_that_fails_after_the_change_says_that_it_fails() -> None:
    failing = [*PROBED.symptom[:2], result("view:x", passed=False)]
    assert decide(replace(PROBED, symptom=failing)).state == FAILING
    assert decide(replace(TRAVELLED, symptom=[result("view:x", passed=False)])).state == FAILING


def test_two_probes_are_not_three() -> None:
    assert decide(replace(PROBED, symptom=PROBED.symptom[:2])).state == VERIFYING


def test_a_probe_that_passed_while_the_error_was_live_proves_nothing() -> None:
    verdict = decide(replace(PROBED, baseline=[result("view:x", passed=True)]))
    assert verdict.state == VERIFYING
    assert "passed while the error was live" in " ".join(verdict.reasons)


def test_a_probe_that_was_never_tried_before_proves_nothing() -> None:
    assert decide(replace(PROBED, baseline=[])).state == VERIFYING
    assert decide(replace(PROBED, baseline=[result("view:another", passed=False)])).state == VERIFYING


def test_a_probe_that_was_refused_has_not_failed() -> None:
    refused = result("view:x", passed=False, seen="refused: this probe passes on an error page, so it proves nothing")
    assert decide(replace(PROBED, baseline=[refused])).state == VERIFYING


def test_fewer_than_ten_successes_are_never_enough() -> None:
    assert decide(replace(TRAVELLED, successes=9, needed_successes=1)).state == VERIFYING
    assert decide(replace(TRAVELLED, successes=29)).state == VERIFYING


def test_without_traffic_and_probe_it_ends_quiet_and_unverified() -> None:
    assert decide(Proof(cause=[CAUSE], is_over=True)).state == QUIET
    assert decide(Proof(is_over=True)).state == QUIET
