"""How fast: back-off per message, pace per receiving domain, a breaker per channel."""

from __future__ import annotations

from campaigns.pacing import BREAKER_TROUBLES, Breaker, DomainPaces, break_seconds, retry_seconds
from channels.base import DEFERRED, FAILED, SENT, UNKNOWN, Outcome

SLOWER = Outcome(1, DEFERRED, 421, "slow down")
FINE = Outcome(1, SENT, 250, "ok")


def test_the_first_retry_comes_within_a_minute_and_later_ones_take_hours() -> None:
    assert all(20 <= retry_seconds(1) <= 60 for _ in range(50))
    assert all(retry_seconds(20) <= 2.5 * 3600 for _ in range(50))
    waits = [sum(retry_seconds(attempt) for _ in range(50)) for attempt in range(1, 7)]
    assert waits == sorted(waits)
    assert len({retry_seconds(3) for _ in range(20)}) > 10  # never in step with others


def test_retries_fit_a_day_more_than_ten_times() -> None:
    assert sum(retry_seconds(attempt) for attempt in range(1, 14)) < 24 * 3600


def test_a_domain_that_wants_fewer_gets_half_and_wins_back_one_at_a_time() -> None:
    paces = DomainPaces(16)
    assert paces.has_room("busy.example") and paces.wait_seconds("busy.example", 0) == 0
    assert paces.ended("busy.example", SLOWER, now=100.0) == 1.0
    assert paces.wait_seconds("busy.example", 100.5) == 0.5
    assert paces.ended("busy.example", SLOWER, now=101.0) == 2.0
    room = 0
    while paces.has_room("busy.example"):
        paces.started("busy.example")
        room += 1
    assert room == 4
    for _ in range(4):
        paces.ended("busy.example", FINE, now=110.0)
    room = 0
    while paces.has_room("busy.example"):
        paces.started("busy.example")
        room += 1
    assert room == 5


def test_slowing_one_domain_leaves_the_others_alone() -> None:
    paces = DomainPaces(4)
    paces.slow_down("busy.example", 30, now=0.0)
    assert paces.wait_seconds("busy.example", 10) == 20
    assert paces.wait_seconds("other.example", 10) == 0 and paces.has_room("other.example")


def test_the_breaker_opens_after_connections_that_only_break() -> None:
    breaker = Breaker()
    trouble = Outcome(1, UNKNOWN, None, "gone")
    for _ in range(BREAKER_TROUBLES - 1):
        breaker.learn(trouble)
    breaker.learn(FINE)
    assert not breaker.is_broken
    for _ in range(BREAKER_TROUBLES):
        breaker.learn(trouble)
    assert breaker.is_broken


def test_addresses_that_do_not_exist_are_no_fault_of_the_channel() -> None:
    breaker = Breaker()
    for _ in range(100):
        breaker.learn(Outcome(1, FAILED, 550, "5.1.1 no such user"))
    assert not breaker.is_refused
    for _ in range(50):
        breaker.learn(Outcome(1, FAILED, 554, "5.7.1 spam"))
    assert breaker.is_refused


def test_a_broken_channel_rests_longer_each_time() -> None:
    assert break_seconds(0) < 20 and break_seconds(5) > 200 and break_seconds(50) <= 660
