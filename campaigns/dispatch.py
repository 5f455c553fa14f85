"""One run of sending: which message goes out on which connection when, and what is written down in between.

One thread moves all connections and writes the messages; others speak with the database, in short transactions that
gather what happened on all connections meanwhile. A connection gets its next message only after the outcome of the
one before is committed: after a crash at most one message per connection is in doubt, and the ledger names it.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TypeVar

import psycopg
from flask import Flask, current_app
from sqlalchemy.exc import InterfaceError, OperationalError

from campaigns.channel_states import note_slow_domain
from campaigns.ledger import Claim, ClaimedMessage, Finished, Ledger, Step
from campaigns.letters import LetterWriter
from campaigns.pacing import Breaker, DomainPaces, retry_seconds
from channels.base import DEFERRED, FAILED, SENT, UNKNOWN, ChannelError, Outcome, Parcel, Session
from lib.merge_tags import HeaderRefused

CLAIM_AT_ONCE = 500
CLAIM_BELOW = 300
POLL_SECONDS = 0.2
LONGEST_WAIT_FOR_DOMAIN_SECONDS = 2.0
LONGEST_END_SECONDS = 8.0
LONGEST_DATABASE_LOSS_SECONDS = 60.0
DATABASE_RETRY_SECONDS = 0.5
DATABASE_LOST = (OperationalError, InterfaceError, psycopg.OperationalError)

Result = TypeVar("Result")


@dataclass(slots=True)
class SendingReport:
    """What one call did. `again_in_seconds`: when it makes sense to call again; None: nothing is left to do."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    suppressed: int = 0
    unknown: int = 0
    again_in_seconds: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What one transaction is to write down; kept until it is committed."""

    finished: list[Finished]
    slowed: list[tuple[str, float, str]]
    put_off: list[tuple[int, float]]


@dataclass(slots=True)
class Dispatch:
    """The loop of one call."""

    campaign_id: int
    ledger: Ledger
    writer: LetterWriter
    session: Session
    paces: DomainPaces
    should_stop: Callable[[], bool]
    lease_seconds: float
    report: SendingReport = field(default_factory=SendingReport)
    breaker: Breaker = field(default_factory=Breaker)
    trouble: ChannelError | None = None
    last_refusal: str = ""
    _app: Flask = field(init=False)
    _clerk: ThreadPoolExecutor = field(init=False)
    _stash: deque[ClaimedMessage] = field(default_factory=deque)
    _authorised: deque[ClaimedMessage] = field(default_factory=deque)
    _under_way: dict[int, ClaimedMessage] = field(default_factory=dict)
    _finished: list[Finished] = field(default_factory=list)
    _slowed: list[tuple[str, float, str]] = field(default_factory=list)
    _put_off: list[tuple[int, float]] = field(default_factory=list)
    _starting: list[ClaimedMessage] = field(default_factory=list)
    _step: Future[Step] | None = None
    _step_work: Work = field(default_factory=lambda: Work([], [], []))
    _database_lost_at: float | None = None
    _claiming: Future[Claim] | None = None
    _is_stopping: bool = False
    _may_claim: bool = True
    _renew_at: float = 0.0
    _dated: tuple[int, bytes] = (0, b"")

    def __post_init__(self) -> None:
        self._app = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way
        # Two: claiming the next few hundred must not hold up recording what happens meanwhile.
        self._clerk = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ledger")

    def run(self) -> None:
        """Until nothing is claimed, on the way or unrecorded."""
        end_at = float("inf")
        while True:
            now = time.monotonic()
            if not self._is_stopping and (self.should_stop() or self.breaker.is_refused):
                self._is_stopping = True
            if self._is_stopping and end_at == float("inf"):
                end_at = now + LONGEST_END_SECONDS
            self._take_step()
            self._take_claim()
            self._hand_over()
            self._begin_claim()
            self._begin_step(now)
            if self._is_done() or now > end_at:
                return
            self._listen()

    def end(self) -> None:
        """Records what is known, gives the rest back."""
        try:
            self._take_step(waits=True)
            self._take_claim(waits=True)
            # What was authorised and never handed over has certainly not left.
            for message in self._authorised:
                self._finish(Outcome(message.id, DEFERRED, None, "The channel could not take it."), message)
            finished = self._finished
            self._finished = []
            if finished:
                step = self._in_context(lambda: self.ledger.advance(finished, [], renews_lease=False))
                self._count(step)
            self._in_context(self.ledger.release)
        finally:
            self._clerk.shutdown(wait=True)

    def _is_done(self) -> bool:
        if self._step is not None or self._claiming is not None:
            return False
        if self._finished or self._authorised or self._under_way or self._put_off:
            return False
        return self._is_stopping or not (self._stash or self._may_claim)

    # ── the database's side ──

    def _begin_step(self, now: float) -> None:
        if self._step is not None:
            return
        renews = now >= self._renew_at
        self._starting = [] if self._is_stopping else self._choose(now)
        if not (renews or self._finished or self._starting or self._put_off):
            return
        if renews:
            self._renew_at = now + self.lease_seconds / 4
        work = Work(self._finished, self._slowed, self._put_off)
        self._finished, self._slowed, self._put_off = [], [], []
        ids = [message.id for message in self._starting]

        def advance() -> Step:
            for domain, seconds, response in work.slowed:
                note_slow_domain(domain, seconds, response)
            if work.put_off:
                self.ledger.put_off(work.put_off)
            return self.ledger.advance(work.finished, ids, renews_lease=renews)

        self._step_work = work
        self._step = self._clerk.submit(self._within_app, advance)
        self._step.add_done_callback(lambda _: self.session.wake())

    def _take_step(self, *, waits: bool = False) -> None:
        if self._step is None or not (waits or self._step.done()):
            return
        future, self._step = self._step, None
        try:
            step = future.result()
        except DATABASE_LOST as error:
            self._take_back(error)
            return
        self._database_lost_at = None
        self._count(step)
        self._authorised.extend(message for message in self._starting if message.id in step.allowed)
        self._starting = []
        if not step.is_sending:
            self._is_stopping = True

    def _begin_claim(self) -> None:
        if self._claiming is None and self._may_claim and not self._is_stopping and len(self._stash) < CLAIM_BELOW:
            self._claiming = self._clerk.submit(self._within_app, lambda: self.ledger.claim(CLAIM_AT_ONCE))
            self._claiming.add_done_callback(lambda _: self.session.wake())

    def _take_claim(self, *, waits: bool = False) -> None:
        if self._claiming is None or not (waits or self._claiming.done()):
            return
        future, self._claiming = self._claiming, None
        try:
            claim = future.result()
        except DATABASE_LOST as error:
            self._note_loss(error)
            return
        self._stash.extend(claim.messages)
        self.report.suppressed += claim.suppressed
        self._may_claim = bool(claim.messages or claim.suppressed)

    def _take_back(self, error: Exception) -> None:
        """The database went away: what happened is kept and recorded once it is back, and nothing new leaves."""
        self._finished = self._step_work.finished + self._finished
        self._slowed = self._step_work.slowed + self._slowed
        self._put_off = self._step_work.put_off + self._put_off
        self._stash.extendleft(reversed(self._starting))
        self._starting = []
        self._note_loss(error)

    def _note_loss(self, error: Exception) -> None:
        now = time.monotonic()
        self._database_lost_at = self._database_lost_at or now
        if now - self._database_lost_at > LONGEST_DATABASE_LOSS_SECONDS:
            raise error
        time.sleep(DATABASE_RETRY_SECONDS)

    def _choose(self, now: float) -> list[ClaimedMessage]:
        """As many claimed messages as there are free connections, sparing the domains that asked for it."""
        room = self.session.free_count - len(self._authorised)
        chosen: list[ClaimedMessage] = []
        spared: list[ClaimedMessage] = []
        while room > len(chosen) and self._stash:
            message = self._stash.popleft()
            wait = self.paces.wait_seconds(message.domain, now)
            if wait > LONGEST_WAIT_FOR_DOMAIN_SECONDS:
                self._put_off.append((message.id, wait))
            elif wait or not self.paces.has_room(message.domain):
                spared.append(message)
            else:
                self.paces.started(message.domain)
                chosen.append(message)
        self._stash.extend(spared)
        return chosen

    def _count(self, step: Step) -> None:
        counts: Counter[str] = step.counts
        self.report.sent += counts["sent"]
        self.report.deferred += counts["deferred"] + counts["pending"]
        self.report.failed += counts["failed"]
        self.report.suppressed += counts["suppressed"]
        self.report.unknown += counts["unknown"]

    def _within_app(self, work: Callable[[], Result]) -> Result:
        with self._app.app_context():
            return work()

    def _in_context(self, work: Callable[[], Result]) -> Result:
        return self._clerk.submit(self._within_app, work).result()

    # ── the mail server's side ──

    def _hand_over(self) -> None:
        while self._authorised and self.session.free_count:
            message = self._authorised.popleft()
            self._under_way[message.id] = message
            try:
                content = self.writer.write(message, self._date())
            except HeaderRefused as error:
                del self._under_way[message.id]
                self._finish(Outcome(message.id, FAILED, None, f"Not written: {error}"), message)
                continue
            self.session.start(Parcel(message.id, self.writer.sender, message.address, content))

    def _date(self) -> bytes:
        now = int(time.time())
        if now != self._dated[0]:
            self._dated = now, formatdate(now).encode("ascii")
        return self._dated[1]

    def _listen(self) -> None:
        try:
            outcomes = self.session.poll(POLL_SECONDS)
        except ChannelError as error:
            self.trouble = error
            self._is_stopping = True
            for message in self._authorised:
                self._finish(Outcome(message.id, DEFERRED, error.code, error.text), message)
            self._authorised.clear()
            return
        self.hear(outcomes)

    def hear(self, outcomes: Sequence[Outcome]) -> None:
        """Takes note of outcomes; they are recorded with the next step."""
        for outcome in outcomes:
            message = self._under_way.pop(outcome.key, None)
            if message is not None:
                self._finish(outcome, message)

    def _finish(self, outcome: Outcome, message: ClaimedMessage) -> None:
        wait = 0.0
        if outcome.state == DEFERRED:
            wait = retry_seconds(message.attempts + 1)
        elif outcome.state == UNKNOWN:
            wait = retry_seconds(1)
        self._finished.append(Finished(outcome, wait))
        slowed = self.paces.ended(message.domain, outcome, time.monotonic())
        if slowed is not None:
            self._slowed.append((message.domain, slowed, outcome.text))
        self.breaker.learn(outcome)
        if outcome.state == FAILED:
            self.last_refusal = f"{outcome.code or ''} {outcome.text}".strip()
        if self.breaker.is_broken and self.trouble is None:
            self.trouble = ChannelError(outcome.text)
            self._is_stopping = True
        if outcome.state == SENT:
            self.last_refusal = ""
