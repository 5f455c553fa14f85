"""The mark of a request that LUX makes to itself in this process, as a probe."""

from __future__ import annotations

# A key of the request's environment; headers of a real request get a prefix there, so none can set it.
PROBE_KEY = "lux.probe"
