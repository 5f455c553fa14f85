"""Lets a paused channel send again, after one sign-in has been taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from campaigns.channel_states import find_pause_reason, pause_channel, resume_channel
from probes.base import TestResult
from probes.dependencies import sign_in_to_mail
from repairs.base import Outcome, Repair, RepairFailed, Situation, checked
from repairs.pause_channel import channel_of


class ResumeChannel(Repair):
    """Tier P: messages leave the house."""

    id = "resume_channel"
    title = "Let the channel send again"
    tier = "P"
    changes = "Signs in to the mail server once; if that is taken, sending over the channel goes on."
    undo_words = "by one click: the channel is paused again; what was sent meanwhile is sent"
    cooldown = timedelta(minutes=10)
    daily_limit = 12
    dependencies = ("mail",)

    def find_obstacle(self, situation: Situation) -> str | None:
        key = channel_of(situation)
        return None if find_pause_reason(key) else f"The channel {key} is not paused."

    def dry_run(self, situation: Situation) -> str:
        return f"Sign in to the mail server once, then resume the channel {channel_of(situation)}."

    def run(self, situation: Situation) -> Outcome:
        key = channel_of(situation)
        reason = find_pause_reason(key)
        seen = sign_in_to_mail()
        if not seen.passed:
            raise RepairFailed(f"The channel stays paused: {seen.text}")
        resume_channel(key)
        undo = {"channel": key, "reason": reason or ""}
        return Outcome(f"The channel {key} may send again.", {"paused": reason}, {"paused": None}, undo)

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        reason = find_pause_reason(channel_of(situation))
        return checked("configuration", "look at the channel", "open", reason or "open", passed=reason is None)

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        key = str(undo.get("channel", "email"))
        pause_channel(key, str(undo.get("reason") or "A resume was undone."))
        return f"The channel {key} is paused again."


REPAIR = ResumeChannel()
