"""Pauses a channel whose server refuses the sign-in: each further attempt brings a lock-out nearer; the queue stays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from campaigns.channel_states import find_pause_reason, pause_channel, resume_channel
from channels import find_channel
from probes.base import TestResult
from repairs.base import Outcome, Repair, RepairFailed, Situation, checked

KEY = r"[a-z_]{1,30}"


class PauseChannel(Repair):
    """Tier A: nothing is lost, and a person lets it go on once the password is right."""

    id = "pause_channel"
    title = "Pause the channel"
    tier = "A"
    changes = "Nothing more is sent over the channel; what is queued stays queued."
    undo_words = "by one click, or resume_channel, which signs in first"
    cooldown = timedelta(minutes=10)
    daily_limit = 12
    dependencies = ()
    only_contains = True

    def find_obstacle(self, situation: Situation) -> str | None:
        key = channel_of(situation)
        if find_channel(key) is None:
            return f"There is no channel {key}."
        reason = find_pause_reason(key)
        return f"The channel {key} is paused already: {reason}" if reason else None

    def dry_run(self, situation: Situation) -> str:
        return f"Pause the channel {channel_of(situation)}."

    def run(self, situation: Situation) -> Outcome:
        key = channel_of(situation)
        if find_pause_reason(key):
            raise RepairFailed(f"The channel {key} is paused already.")
        pause_channel(key, f"Paused by a repair ({situation.rule or self.id}).")
        return Outcome(f"The channel {key} is paused.", {"is_paused": False}, {"is_paused": True}, {"channel": key})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        reason = find_pause_reason(channel_of(situation))
        return checked("configuration", "look at the channel", "paused", reason or "open", passed=reason is not None)

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        key = str(undo.get("channel", "email"))
        resume_channel(key)
        return f"The channel {key} may send again."


def channel_of(situation: Situation) -> str:
    """The channel that the fault is about; e-mail when it names none."""
    return situation.fact("channel", KEY) or "email"


REPAIR = PauseChannel()
