"""The certificate that a visitor of LUX gets, asked for over the network as a browser would."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime

TIMEOUT_SECONDS = 5.0


def find_certificate_end(host: str, port: int) -> datetime | None:
    """When the certificate ends, or None when the host does not answer with a valid one."""
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as connection,
            ssl.create_default_context().wrap_socket(connection, server_hostname=host) as secured,
        ):
            certificate = secured.getpeercert() or {}
    except OSError:
        return None
    ends = certificate.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None
