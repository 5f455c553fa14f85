"""Bodies that came while the database was away: on disk in LUX_DATA_DIR, brought into the inbox oldest first."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from flask import current_app

from audience.intake_bodies import Received, keep_unchecked_body
from audience.intake_connection import with_cursor
from config import current_settings
from lib.spool_file import Record, SpoolFile


def intake_spool() -> SpoolFile:
    """The spool of this app."""
    spool: SpoolFile | None = current_app.extensions.get("lux_intake_spool")
    if spool is None:
        spool = SpoolFile(current_settings().lux_data_dir / "spool", "intake")
        current_app.extensions["lux_intake_spool"] = spool
    return spool


def spool_body(received: Received) -> None:
    """Puts a body on disk. Raises OSError when that fails."""
    intake_spool().append(
        {
            "receipt": received.receipt,
            "credential_id": received.credential_id,
            "content_type": received.content_type,
            "headers": dict(received.headers),
            "body": base64.b64encode(received.body).decode(),
            "idempotency_key": received.idempotency_key,
            "received_at": datetime.now(UTC).isoformat(),
        }
    )


def drain_into_inbox() -> int:
    """Moves everything from the spool into the inbox; how many. Raises DatabaseGone, then all that is left stays."""
    return intake_spool().drain(_take)


def _take(records: list[Record]) -> None:
    for record in records:
        _bring_in(
            Received(
                body=base64.b64decode(record["body"]),
                content_type=record["content_type"],
                headers=record["headers"],
                credential_id=record["credential_id"],
                idempotency_key=record["idempotency_key"],
                receipt=record["receipt"],
                received_at=datetime.fromisoformat(record["received_at"]),
            )
        )


def _bring_in(received: Received) -> None:
    with_cursor(lambda cursor: keep_unchecked_body(cursor, received))
