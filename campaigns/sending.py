"""Sends what the ledger holds: claims, writes, hands over, records. One call works on one campaign until it rests.

One thread moves all connections and writes the messages; another speaks with the database, in short transactions that
gather what happened on all connections meanwhile. A connection gets its next message only after the outcome of the
one before is committed: after a crash at most one message per connection is in doubt, and the ledger names it.
"""

from __future__ import annotations

import platform
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TypeVar

from flask import Flask, current_app
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from campaigns.channel_states import find_pause_reason, list_spared_domains, note_slow_domain, pause_channel
from campaigns.launching import finish_campaign, pause_campaign
from campaigns.ledger import ClaimedMessage, Finished, Ledger, Step
from campaigns.letters import LetterWriter
from campaigns.pacing import Breaker, DomainPaces, break_seconds, retry_seconds
from campaigns.recovery import release_stale_claims_of
from campaigns.rendering import CompiledCampaign
from channels import find_channel
from channels.base import DEFERRED, FAILED, SENT, UNKNOWN, ChannelError, Outcome, Parcel, Session
from config import current_settings
from extensions import db
from lib.merge_tags import HeaderRefused
from models import Campaign, Message

LEASE_SECONDS = 20.0
CLAIM_AT_ONCE = 400
POLL_SECONDS = 0.2
LONGEST_WAIT_FOR_DOMAIN_SECONDS = 2.0
LONGEST_END_SECONDS = 8.0
LONGEST_DATABASE_LOSS_SECONDS = 60.0
DATABASE_RETRY_SECONDS = 0.5
STOPPING = threading.Event()

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


def never() -> bool:
    """Nobody wants it to stop."""
    return False


def stop_sending() -> None:
    """Ends all sending of this process as soon as what is on the way has an outcome: the worker is leaving."""
    STOPPING.set()


def send_due_messages(
    campaign_id: int,
    worker_id: str = "",
    should_stop: Callable[[], bool] = never,
    *,
    lease_seconds: float = LEASE_SECONDS,
) -> SendingReport:
    """Sends what is due, until nothing is, the campaign or the channel is paused, or `should_stop` says so.

    Safe to call again at any time and by several workers at once. Commits as it goes.
    """
    release_stale_claims_of(campaign_id)
    campaign = db.session.get(Campaign, campaign_id, populate_existing=True)
    if campaign is None or campaign.state != "sending" or campaign.compiled is None:
        db.session.rollback()
        return SendingReport(reason="The campaign is not sending.")
    channel, settings = find_channel(campaign.channel), current_settings()
    pause_reason = find_pause_reason(campaign.channel)
    if channel is None or pause_reason is not None:
        db.session.rollback()
        return SendingReport(again_in_seconds=60.0, reason=f"The channel is paused: {pause_reason or 'unknown'}")
    compiled = CompiledCampaign.from_json(campaign.compiled)
    writer = LetterWriter(campaign.id, compiled, campaign.compiled["seed"], settings.session_secrets)
    worker = worker_id or f"{platform.node()}:{secrets.token_hex(6)}"
    ledger = Ledger(
        campaign_id,
        worker,
        is_unknown_resent=campaign.unknown_policy == "resend",
        wants_attributes=writer.wants_attributes,
        lease_seconds=lease_seconds,
    )
    due_count = count_due(campaign_id, at_most=1000)
    spared = list_spared_domains()
    channel_key = campaign.channel
    db.session.commit()
    db.session.remove()
    if not due_count:
        return _rest(campaign_id, SendingReport())
    try:
        session = channel.open(settings, connections=due_count)
    except ChannelError as error:
        return _stand_down(channel_key, error, SendingReport())
    paces = DomainPaces(session.connection_limit)
    sender = _Sender(campaign_id, ledger, writer, session, paces, should_stop, lease_seconds)
    for domain, seconds in spared:
        paces.slow_down(domain, seconds, time.monotonic())
    try:
        sender.run()
    finally:
        sender.hear(session.close())
        sender.end()
    if sender.trouble is not None:
        return _stand_down(channel_key, sender.trouble, sender.report)
    if sender.breaker.is_refused:
        refused = f"The mail server refuses nearly every message: {sender.last_refusal}"
        pause_campaign(campaign_id, refused)
        sender.report.reason = refused
        return sender.report
    return _rest(campaign_id, sender.report)


def count_due(campaign_id: int, *, at_most: int) -> int:
    """How many messages could go now, counted up to a limit."""
    due = select(Message.id).where(
        Message.campaign_id == campaign_id,
        Message.state.in_(("pending", "deferred")),
        Message.next_try_at <= db.func.now(),
    )
    return len(db.session.scalars(due.limit(at_most)).all())


def _rest(campaign_id: int, report: SendingReport) -> SendingReport:
    """Nothing is due now: is the campaign finished, or does something wait for its time?"""
    if finish_campaign(campaign_id):
        report.reason = report.reason or "The campaign is finished."
        return report
    wait = db.session.scalar(
        select(db.func.extract("epoch", db.func.min(Message.next_try_at) - db.func.now())).where(
            Message.campaign_id == campaign_id, Message.state.in_(("pending", "deferred"))
        )
    )
    db.session.rollback()
    report.again_in_seconds = max(1.0, float(wait)) if wait is not None else 15.0
    return report


def _stand_down(channel: str, error: ChannelError, report: SendingReport) -> SendingReport:
    """The channel cannot send. A refused sign-in pauses it: trying again would lock the account."""
    db.session.rollback()
    report.reason = error.text
    if error.should_retry:
        report.again_in_seconds = break_seconds(0)
    else:
        pause_channel(channel, error.text)
        current_app.logger.error("The channel %s is paused: %s", channel, error.text)
    return report


@dataclass(frozen=True, slots=True)
class _Work:
    """What one transaction is to write down; kept until it is committed."""

    finished: list[Finished]
    slowed: list[tuple[str, float, str]]
    put_off: list[tuple[int, float]]


@dataclass(slots=True)
class _Sender:
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
    _step_work: _Work = field(default_factory=lambda: _Work([], [], []))
    _database_lost_at: float | None = None
    _is_stopping: bool = False
    _may_claim: bool = True
    _renew_at: float = 0.0
    _dated: tuple[int, bytes] = (0, b"")

    def __post_init__(self) -> None:
        self._app = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way
        self._clerk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    def run(self) -> None:
        """Until nothing is claimed, on the way or unrecorded."""
        end_at = float("inf")
        while True:
            now = time.monotonic()
            if not self._is_stopping and (STOPPING.is_set() or self.should_stop() or self.breaker.is_refused):
                self._is_stopping = True
            if self._is_stopping and end_at == float("inf"):
                end_at = now + LONGEST_END_SECONDS
            self._take_step()
            self._hand_over()
            self._begin_step(now)
            if self._is_done() or now > end_at:
                return
            self._listen()

    def end(self) -> None:
        """Records what is known, gives the rest back."""
        try:
            self._take_step(waits=True)
            # What was authorised and never handed over has certainly not left.
            for message in self._authorised:
                self._finish(Outcome(message.id, DEFERRED, None, "The channel could not take it."), message)
            finished = self._finished
            self._finished = []
            if finished:
                step = self._in_context(lambda: self.ledger.advance(finished, [], 0, renews_lease=False))
                self._count(step)
            self._in_context(self.ledger.release)
        finally:
            self._clerk.shutdown(wait=True)

    def _is_done(self) -> bool:
        if self._step is not None or self._finished or self._authorised or self._under_way:
            return False
        return self._is_stopping or not (self._stash or self._may_claim)

    # ── the database's side ──

    def _begin_step(self, now: float) -> None:
        if self._step is not None:
            return
        renews = now >= self._renew_at
        wants_claim = self._may_claim and not self._is_stopping and len(self._stash) < CLAIM_AT_ONCE // 2
        self._starting = [] if self._is_stopping else self._choose(now)
        if not (renews or wants_claim or self._finished or self._starting or self._put_off):
            return
        if renews:
            self._renew_at = now + self.lease_seconds / 4
        work = _Work(self._finished, self._slowed, self._put_off)
        self._finished, self._slowed, self._put_off = [], [], []
        ids = [message.id for message in self._starting]
        limit = CLAIM_AT_ONCE if wants_claim else 0

        def advance() -> Step:
            for domain, seconds, response in work.slowed:
                note_slow_domain(domain, seconds, response)
            if work.put_off:
                self.ledger.put_off(work.put_off)
            return self.ledger.advance(work.finished, ids, limit, renews_lease=renews)

        self._step_work = work
        self._step = self._clerk.submit(self._within_app, advance)
        self._step.add_done_callback(lambda _: self.session.wake())

    def _take_step(self, *, waits: bool = False) -> None:
        if self._step is None or not (waits or self._step.done()):
            return
        future, self._step = self._step, None
        try:
            step = future.result()
        except DBAPIError as error:
            self._take_back(error)
            return
        self._database_lost_at = None
        self._count(step)
        self._authorised.extend(message for message in self._starting if message.id in step.allowed)
        self._starting = []
        self._stash.extend(step.claimed)
        if step.has_claimed:
            self._may_claim = step.found_any
        if not step.is_sending:
            self._is_stopping = True

    def _take_back(self, error: DBAPIError) -> None:
        """The database went away: what happened is kept and recorded once it is back, and nothing new leaves."""
        now = time.monotonic()
        self._database_lost_at = self._database_lost_at or now
        if not error.connection_invalidated and not isinstance(error, OperationalError | InterfaceError):
            raise error
        if now - self._database_lost_at > LONGEST_DATABASE_LOSS_SECONDS:
            raise error
        self._finished = self._step_work.finished + self._finished
        self._slowed = self._step_work.slowed + self._slowed
        self._put_off = self._step_work.put_off + self._put_off
        self._stash.extendleft(reversed(self._starting))
        self._starting = []
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
