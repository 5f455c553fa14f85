"""The ways to reach a person. To add one: write channels/<key>.py and list it in CHANNELS, in the screen's order."""

from __future__ import annotations

from channels import email
from channels.base import Channel

CHANNELS: tuple[Channel, ...] = (email.CHANNEL,)


def find_channel(key: str) -> Channel | None:
    """The channel of this key, or None."""
    return next((channel for channel in CHANNELS if channel.key == key), None)
