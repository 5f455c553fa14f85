"""Addresses with a password in them, as they may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def masked_url(url: str) -> str:
    """The address with its password as dots and without its query."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    who = f"{parts.username}{':••••' if parts.password else ''}@" if parts.username else ""
    return urlunsplit((parts.scheme, f"{who}{host}{port}", parts.path, "", ""))
