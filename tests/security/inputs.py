"""Inputs that nobody would type: made, sent, timed and counted. No answer of 500, no second of work for one of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.security.house import House

MOST_SECONDS = 5.0
ALL_CHECKS = list(HealthCheck)
# Reuse would need a folder, and explaining costs more than it tells.
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)


@dataclass
class Inputs:
    """Makes `size` inputs for a test and judges what comes of each."""

    house: House
    size: int
    statuses: Counter[int] = field(default_factory=Counter)
    longest_seconds: float = 0.0

    def try_all(self, strategy: st.SearchStrategy[Any], send: Callable[[Any], None], *, share: float = 1.0) -> None:
        """Sends as many inputs as asked for, or that share of them."""
        most = max(2, int(self.size * share))
        usual = settings(
            max_examples=most, deadline=None, database=None, suppress_health_check=ALL_CHECKS, phases=PHASES
        )
        usual(given(strategy)(lambda one: send(one)))()  # a function of its own each time: hypothesis marks it

    def note(self, status: int, seconds: float, what: str, *, is_health: bool = False) -> None:
        """Counts an answer; fails for a fault of LUX or five seconds of work."""
        self.statuses[status] += 1
        self.longest_seconds = max(self.longest_seconds, seconds)
        assert status < 500 or (status == 503 and is_health), f"{what} answered {status}"
        # The processor's time, so that a busy machine is no fault of LUX.
        assert seconds < MOST_SECONDS, f"{what} took {seconds:.1f} s of the processor"

    def ask(self, principal: str, method: str, address: str, **options: Any) -> TestResponse:
        """One request of somebody at the door, judged."""
        began = time.thread_time()
        answer = self.house.ask(principal, method, address, **options)
        is_health = answer.mimetype == "application/health+json"
        self.note(answer.status_code, time.thread_time() - began, f"{method} {address}", is_health=is_health)
        return answer

    def summary(self) -> str:
        """How many there were."""
        faults = sum(count for status, count in self.statuses.items() if status == 500)
        told = ", ".join(f"{count} × {status}" for status, count in sorted(self.statuses.items()))
        return (
            f"inputs: {self.statuses.total():,} ({told}), {faults} answers of 500, longest {self.longest_seconds:.2f} s"
        )
