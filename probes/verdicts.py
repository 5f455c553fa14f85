"""What a change has proved: the definition of resolved, as one function that reads nothing but what it is given.

Resolved is believed only when all of it holds; what is not known counts as not proved (docs/repair.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from probes.base import TestResult

RESOLVED, FAILING, QUIET, VERIFYING = "resolved_verified", "still_failing", "quiet_unverified", "verifying"
PROBES_NEEDED = 3


@dataclass(frozen=True)
class Proof:
    """Everything that is known about a group after something changed.

    `cause` are post-checks, a changed release, or a dependency that failed before and passes now. `baseline` was tried
    while the error was live, `symptom` after the change. `successes` are real ones at the same place since then.
    """

    cause: Sequence[TestResult] = ()
    baseline: Sequence[TestResult] = ()
    symptom: Sequence[TestResult] = ()
    successes: int = 0
    needed_successes: int = 10
    new_errors: int = 0
    new_groups: Sequence[str] = ()
    is_over: bool = False


@dataclass(frozen=True)
class Verdict:
    """A state of an error group, and why, in sentences."""

    state: str
    reasons: tuple[str, ...] = field(default=())

    @property
    def is_resolved(self) -> bool:
        return self.state == RESOLVED


def decide(proof: Proof) -> Verdict:
    """The state that the proof allows: resolved needs every condition, failing needs one sign."""
    signs = _signs_of_failing(proof)
    if signs:
        return Verdict(FAILING, signs)
    missing = _missing(proof)
    if not missing:
        return Verdict(RESOLVED, _why_resolved(proof))
    return Verdict(QUIET if proof.is_over else VERIFYING, missing)


def _signs_of_failing(proof: Proof) -> tuple[str, ...]:
    signs = []
    if proof.new_errors:
        count = "It has" if proof.new_errors == 1 else f"{proof.new_errors} times it has"
        signs.append(f"{count} happened again since the change.")
    failed = [result for result in proof.symptom if not result.passed]
    if failed:
        signs.append(f"The probe still fails: {failed[-1].seen.rstrip('.')}.")
    broken = [result for result in proof.cause if not result.passed]
    if broken and not any(result.passed for result in proof.cause):
        signs.append(f"What was to be repaired is not: {broken[-1].seen}.")
    if proof.new_groups:
        signs.append(f"Another error has appeared at the same place: {', '.join(proof.new_groups[:3])}.")
    return tuple(signs)


def _missing(proof: Proof) -> tuple[str, ...]:
    missing = []
    if not any(result.passed for result in proof.cause):
        missing.append("Nothing shows that the cause was addressed.")
    if not (has_probe_proof(proof) or has_traffic_proof(proof)):
        missing.append(_missing_symptom(proof))
    return tuple(missing)


def has_probe_proof(proof: Proof) -> bool:
    """Three probes passed after the change, and the same probe was seen failing while the error was live."""
    failed_before = {result.key for result in proof.baseline if not result.passed and not _is_refused(result)}
    counted = [result for result in proof.symptom if result.passed and result.key in failed_before]
    return len(counted) >= PROBES_NEEDED


def has_traffic_proof(proof: Proof) -> bool:
    """Enough real successes went through the same place."""
    return proof.successes >= max(10, proof.needed_successes)


def _missing_symptom(proof: Proof) -> str:
    passed_before = {result.key for result in proof.baseline if result.passed}
    if any(result.key in passed_before for result in proof.symptom):
        return (
            "The probe passed while the error was live, so its passing proves nothing; "
            f"{proof.successes} of {proof.needed_successes} real successes were seen."
        )
    return f"{proof.successes} of {proof.needed_successes} real successes were seen, and no probe has proved it."


def _is_refused(result: TestResult) -> bool:
    """A probe that could not be tried at all did not fail either."""
    return result.seen.startswith(("refused", "there is no row", "another probe"))


def _why_resolved(proof: Proof) -> tuple[str, ...]:
    cause = next(result for result in proof.cause if result.passed)
    reasons = [f"The cause was addressed: {cause.seen}."]
    if has_probe_proof(proof):
        reasons.append("The probe failed while the error was live and has passed three times since.")
    if has_traffic_proof(proof):
        reasons.append(f"{proof.successes} real successes went through the same place.")
    reasons.append("Nothing new has come of this group, and no other at the same place.")
    return tuple(reasons)
