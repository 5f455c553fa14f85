"""Whether a channel may send, and which receiving domains are being spared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from accounts.audit import add_audit_entry
from accounts.users import name_of
from campaigns.pacing import break_seconds
from extensions import db
from models import ChannelState, ReceivingDomain


def find_channel_state(channel: str) -> ChannelState | None:
    """The state of a channel; None: it was never paused."""
    return db.session.get(ChannelState, channel, populate_existing=True)


def find_pause_reason(channel: str) -> str | None:
    """Why the channel is paused, or None when it may send."""
    state = find_channel_state(channel)
    return (state.reason or "paused") if state is not None and state.is_paused else None


def pause_channel(channel: str, reason: str, by_user_id: int | None = None) -> None:
    """Stops all sending over a channel; the queue stays. Commits."""
    _change(channel, is_paused=True, reason=reason, by_user_id=by_user_id)


def resume_channel(channel: str, by_user_id: int | None = None) -> None:
    """Lets a channel send again. Commits."""
    _change(channel, is_paused=False, reason=None, by_user_id=by_user_id)


def find_rest(channel: str) -> tuple[float, str] | None:
    """For how many seconds a channel rests after trouble with its server, and why; None: it does not."""
    state = find_channel_state(channel)
    if state is None or state.rests_until is None:
        return None
    left = (state.rests_until - datetime.now(UTC)).total_seconds()
    return (left, state.reason or "") if left > 0 else None


def rest_channel(channel: str, reason: str) -> float:
    """Leaves a channel alone for a while, longer each time in a row; gives the seconds. Commits."""
    state = find_channel_state(channel)
    rest_count = state.rest_count if state is not None else 0
    seconds = break_seconds(rest_count)
    values = {
        "rest_count": rest_count + 1,
        "rests_until": datetime.now(UTC) + timedelta(seconds=seconds),
        "reason": reason,
        "changed_at": datetime.now(UTC),
    }
    db.session.execute(
        insert(ChannelState)
        .values(channel=channel, **values)
        .on_conflict_do_update(index_elements=["channel"], set_=values)
    )
    db.session.commit()
    return seconds


def note_success(channel: str) -> None:
    """The server took messages again: the next rest is a short one. Commits."""
    state = find_channel_state(channel)
    if state is not None and state.rest_count:
        state.rest_count = 0
        state.rests_until = None
        state.reason = state.reason if state.is_paused else None
    db.session.commit()


def end_rest(channel: str) -> None:
    """Ends a channel's rest before its time; the caller commits."""
    state = find_channel_state(channel)
    if state is not None:
        state.rests_until, state.rest_count = None, 0


def forget_slow_domain(domain: str) -> None:
    """A receiving domain gets messages at full speed again; the caller commits."""
    found = db.session.get(ReceivingDomain, domain)
    if found is not None:
        found.slowed_until = None


def list_slow_domains(limit: int = 100) -> list[ReceivingDomain]:
    """Receiving domains that asked for fewer messages, the latest first."""
    return list(
        db.session.scalars(select(ReceivingDomain).order_by(ReceivingDomain.changed_at.desc()).limit(limit)).all()
    )


def note_slow_domain(domain: str, seconds: float, response: str) -> None:
    """Remembers that a receiving domain wants fewer messages; in the caller's transaction."""
    values = {
        "slowed_until": func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
        "last_response": response[:500],
        "changed_at": func.now(),
    }
    db.session.execute(
        insert(ReceivingDomain)
        .values(domain=domain, **values)
        .on_conflict_do_update(index_elements=["domain"], set_=values)
    )


def list_spared_domains() -> list[tuple[str, float]]:
    """Receiving domains that are left alone now, and for how many seconds more."""
    seconds = func.extract("epoch", ReceivingDomain.slowed_until - func.now())
    rows = db.session.execute(select(ReceivingDomain.domain, seconds).where(ReceivingDomain.slowed_until > func.now()))
    return [(domain, float(left)) for domain, left in rows]


def _change(channel: str, *, is_paused: bool, reason: str | None, by_user_id: int | None) -> None:
    values = {
        "is_paused": is_paused,
        "reason": reason,
        "rest_count": 0,
        "rests_until": None,
        "changed_at": datetime.now(UTC),
    }
    db.session.execute(
        insert(ChannelState)
        .values(channel=channel, **values)
        .on_conflict_do_update(index_elements=["channel"], set_=values)
    )
    action = "channel_paused" if is_paused else "channel_resumed"
    add_audit_entry(action, actor=name_of(by_user_id), user_id=by_user_id, subject=channel, reason=reason)
    db.session.commit()
