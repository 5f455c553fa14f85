"""Asks LUX itself over the loopback, as a proxy would: for faults that lie outside of the app.

Never from within a request: with one web process the question would wait for its own answer.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass

TIMEOUT_SECONDS = 3.0
LONGEST_ANSWER = 200_000


@dataclass(frozen=True)
class OwnAnswer:
    """What came back; status 0 when nobody answered."""

    status: int
    text: str


def ask_own_address(host: str, port: int, path: str, headers: dict[str, str]) -> OwnAnswer:
    """One GET to this machine's LUX within three seconds. Never raises."""
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(own, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return OwnAnswer(answer.status, answer.read(LONGEST_ANSWER).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        return OwnAnswer(0, f"{type(error).__name__}: {error}")
    finally:
        connection.close()
