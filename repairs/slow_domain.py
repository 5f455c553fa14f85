"""Leaves a receiving domain that asks for fewer messages alone for a while; the other domains go on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from campaigns.channel_states import (
    end_rest,
    forget_slow_domain,
    list_spared_domains,
    note_slow_domain,
    rest_channel,
)
from campaigns.channel_states import find_rest as find_channel_rest
from extensions import db
from probes.base import TestResult
from repairs.base import Outcome, Repair, Situation, checked
from repairs.pause_channel import channel_of

SECONDS = 15 * 60
DOMAIN = r"(?=.{3,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+"


class SlowDomain(Repair):
    """Tier A: messages wait, none is lost."""

    id = "slow_domain"
    title = "Send more slowly"
    tier = "A"
    changes = "Messages to one receiving domain wait for 15 minutes; without a domain, the channel rests for a moment."
    undo_words = "by one click, or wait for its end"
    cooldown = timedelta(minutes=15)
    daily_limit = 48
    dependencies = ("mail",)

    def find_obstacle(self, situation: Situation) -> str | None:
        domain = self._domain(situation)
        if domain is not None and any(name == domain for name, _ in list_spared_domains()):
            return f"{domain} is being spared already."
        if domain is None and find_channel_rest(channel_of(situation)) is not None:
            return "The channel rests already."
        return None

    def dry_run(self, situation: Situation) -> str:
        domain = self._domain(situation)
        if domain is not None:
            return f"Leave {domain} alone for {SECONDS // 60} minutes from the moment this runs."
        return f"The error names no receiving domain: let the channel {channel_of(situation)} rest for a moment."

    def run(self, situation: Situation) -> Outcome:
        domain, key = self._domain(situation), channel_of(situation)
        if domain is not None:
            note_slow_domain(domain, SECONDS, f"Slowed by a repair ({situation.rule}).")
            db.session.commit()
            return Outcome(f"{domain} is spared for 15 minutes.", {}, {"domain": domain}, {"domain": domain})
        seconds = rest_channel(key, f"Slowed by a repair ({situation.rule}).")
        return Outcome(f"The channel {key} rests for {seconds:.0f} s.", {}, {"channel": key}, {"channel": key})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        domain = self._domain(situation)
        if domain is not None:
            spared = [name for name, _ in list_spared_domains()]
            is_spared, seen = domain in spared, f"spared: {', '.join(spared[:5]) or 'none'}"
        else:
            rest = find_channel_rest(channel_of(situation))
            is_spared, seen = rest is not None, f"rests for {rest[0]:.0f} s" if rest else "no rest"
        return checked("configuration", "look who is spared", "the slow one", seen, passed=is_spared)

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        if "domain" in undo:
            forget_slow_domain(str(undo["domain"]))
            return f"{undo['domain']} gets messages at full speed again."
        end_rest(str(undo.get("channel", "email")))
        return "The channel does not rest any more."

    def _domain(self, situation: Situation) -> str | None:
        return situation.fact("domain", DOMAIN)


REPAIR = SlowDomain()
