"""How fast to send: back-off per message, pace per receiving domain, a breaker per channel. No database here."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

from channels.base import FAILED, SENT, Outcome

FIRST_RETRY_SECONDS = 30.0
RETRY_FACTOR = 2.5
LONGEST_RETRY_SECONDS = 2 * 3600.0
GIVE_UP_AFTER_SECONDS = 24 * 3600.0
LONGEST_SLOWDOWN_SECONDS = 60.0
BREAKER_TROUBLES = 5
LONGEST_BREAK_SECONDS = 600.0
REFUSALS_SEEN = 50
REFUSALS_ALLOWED = 40

_RANDOM = random.SystemRandom()


def retry_seconds(attempts: int) -> float:
    """How long to wait after this many attempts: within a minute at first, hours later, never in step with others."""
    wait = FIRST_RETRY_SECONDS * RETRY_FACTOR ** max(0, attempts - 1)
    return min(wait, LONGEST_RETRY_SECONDS) * _RANDOM.uniform(0.75, 1.25)


@dataclass(slots=True)
class _Pace:
    window: float
    in_flight: int = 0
    slowed_until: float = 0.0
    slowdowns: int = 0


class DomainPaces:
    """Additive increase, multiplicative decrease: how many messages a receiving domain may have on the way."""

    def __init__(self, connections: int) -> None:
        self._most = float(connections)
        self._paces: dict[str, _Pace] = {}
        self._is_anybody_slow = False

    def has_room(self, domain: str) -> bool:
        """Whether one more may be on the way to this domain."""
        pace = self._paces.get(domain)
        return pace is None or pace.in_flight < pace.window

    def wait_seconds(self, domain: str, now: float) -> float:
        """How long this domain is still left alone; 0: not at all."""
        pace = self._paces.get(domain)
        return 0.0 if pace is None else max(0.0, pace.slowed_until - now)

    def started(self, domain: str) -> None:
        if self._is_anybody_slow:
            self._pace(domain).in_flight += 1

    def ended(self, domain: str, outcome: Outcome, now: float) -> float | None:
        """Learns from an outcome; for a slowdown, gives the seconds that the domain is left alone."""
        if outcome.wants_slower:
            self._is_anybody_slow = True
            pace = self._pace(domain)
            pace.in_flight = max(0, pace.in_flight - 1)
            pace.window = max(1.0, pace.window / 2)
            pace.slowdowns += 1
            wait = min(LONGEST_SLOWDOWN_SECONDS, 2.0 ** min(pace.slowdowns, 8) / 2)
            pace.slowed_until = now + wait
            return wait
        found = self._paces.get(domain)
        if found is not None:
            found.in_flight = max(0, found.in_flight - 1)
            if outcome.state == SENT:
                found.window = min(self._most, found.window + 1 / found.window)
                found.slowdowns = 0
        return None

    def slow_down(self, domain: str, seconds: float, now: float) -> None:
        """What an earlier run learned."""
        self._is_anybody_slow = True
        pace = self._pace(domain)
        pace.window = 1.0
        pace.slowed_until = now + seconds

    def _pace(self, domain: str) -> _Pace:
        return self._paces.setdefault(domain, _Pace(self._most))


class Breaker:
    """Stops a channel that only fails: connections that break, or a server that refuses nearly everybody."""

    def __init__(self) -> None:
        self._troubles = 0
        self._refusals: deque[bool] = deque(maxlen=REFUSALS_SEEN)

    def learn(self, outcome: Outcome) -> None:
        self._troubles = self._troubles + 1 if outcome.is_connection_trouble else 0
        # An address that does not exist says something about the audience, not about the channel.
        self._refusals.append(outcome.state == FAILED and not outcome.is_bad_address)

    @property
    def is_broken(self) -> bool:
        return self._troubles >= BREAKER_TROUBLES

    @property
    def is_refused(self) -> bool:
        return sum(self._refusals) >= REFUSALS_ALLOWED


def break_seconds(times: int) -> float:
    """How long a channel rests after failing this many times in a row."""
    return min(LONGEST_BREAK_SECONDS, 15.0 * 2.0 ** min(times, 8)) * _RANDOM.uniform(0.9, 1.1)
