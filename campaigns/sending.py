"""Sends what the ledger holds: one call works on one campaign until nothing is due or something is in the way."""

from __future__ import annotations

import platform
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from flask import current_app
from sqlalchemy import select

from audience.sending_rules import find_end_of_quiet
from campaigns.channel_states import (
    find_pause_reason,
    find_rest,
    list_spared_domains,
    note_success,
    pause_channel,
    rest_channel,
)
from campaigns.dispatch import Dispatch, SendingReport
from campaigns.launching import finish_campaign, pause_campaign
from campaigns.ledger import Ledger
from campaigns.letters import LetterWriter
from campaigns.pacing import DomainPaces
from campaigns.recovery import release_stale_claims_of
from campaigns.rendering import CompiledCampaign
from channels import find_channel
from channels.base import ChannelError
from config import current_settings
from extensions import db
from models import Campaign, Message

LEASE_SECONDS = 20.0
STOPPING = threading.Event()


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
    rest = find_rest(campaign.channel)
    if rest is not None:
        db.session.rollback()
        return SendingReport(again_in_seconds=rest[0], reason=f"The channel rests: {rest[1]}")
    quiet = _rest_in_quiet(SendingReport())
    if quiet is not None:
        db.session.rollback()
        return quiet
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
    sender = Dispatch(
        campaign_id, ledger, writer, session, paces, lambda: STOPPING.is_set() or should_stop(), lease_seconds
    )
    for domain, seconds in spared:
        paces.slow_down(domain, seconds, time.monotonic())
    try:
        sender.run()
    finally:
        sender.hear(session.close())
        sender.end()
    if sender.trouble is not None:
        return _stand_down(channel_key, sender.trouble, sender.report)
    if sender.report.sent:
        note_success(channel_key)
    if sender.breaker.is_refused:
        refused = f"The mail server refuses nearly every message: {sender.last_refusal}"
        pause_campaign(campaign_id, refused)
        sender.report.reason = refused
        return sender.report
    return _rest(campaign_id, sender.report)


def _any_of(*questions: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: any(question() for question in questions)


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
    quiet = _rest_in_quiet(report)
    if quiet is not None:
        db.session.rollback()
        return quiet
    wait = db.session.scalar(
        select(db.func.extract("epoch", db.func.min(Message.next_try_at) - db.func.now())).where(
            Message.campaign_id == campaign_id, Message.state.in_(("pending", "deferred"))
        )
    )
    db.session.rollback()
    report.again_in_seconds = max(1.0, float(wait)) if wait is not None else 15.0
    return report


def _rest_in_quiet(report: SendingReport) -> SendingReport | None:
    """In quiet hours: the report that sends the worker away until they end, looking again now and then."""
    end = find_end_of_quiet()
    if end is None:
        return None
    report.again_in_seconds = min(60.0, max(1.0, (end - datetime.now(UTC)).total_seconds()))
    report.reason = f"Quiet hours: sending goes on at {end:%H:%M} UTC."
    return report


def _stand_down(channel: str, error: ChannelError, report: SendingReport) -> SendingReport:
    """The channel cannot send. A refused sign-in pauses it: trying again would lock the account."""
    db.session.rollback()
    report.reason = error.text
    words = {"is_captured": True, "place": f"channel {channel}"}
    if error.should_retry:
        report.again_in_seconds = rest_channel(channel, error.text)
        current_app.logger.warning("The channel %s rests: %s", channel, error.text, exc_info=error, extra=words)
    else:
        pause_channel(channel, error.text)
        current_app.logger.error("The channel %s is paused: %s", channel, error.text, exc_info=error, extra=words)
    return report
