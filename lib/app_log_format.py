"""How LUX writes its own log: one head per record, and every further line marked, so that no text poses as a head."""

from __future__ import annotations

import logging
import time

HEAD = "%(asctime)s.%(msecs)03dZ %(levelname)s [%(process)d] [%(request_id)s] %(name)s: %(message)s"
CONTINUED = "  | "


class AppLogFormatter(logging.Formatter):
    """`2026-11-23T05:00:01.123Z ERROR [pid] [request id] logger: message`; further lines begin with `  | `."""

    def __init__(self) -> None:
        super().__init__(HEAD, datefmt="%Y-%m-%dT%H:%M:%S", defaults={"request_id": "-"})
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """The record as the log reader expects it."""
        return f"\n{CONTINUED}".join(super().format(record).splitlines()) or "-"
