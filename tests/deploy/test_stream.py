"""Through the site's nginx: streams come piece by piece, and figures are for operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.nginx_site import Site, running_site
from tests.servers import Lux

TOKEN = "operator-token-0123456789abcdef"


@pytest.fixture
def site(start_lux: Callable[..., Lux], tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path, start_lux, application="tests.planted:create_app()", OPERATOR_TOKEN=TOKEN) as running:
        yield running


def test_a_stream_comes_through_piece_by_piece_and_figures_are_for_operators(site: Site) -> None:
    answer = site.get("/planted/slow-stream")
    assert answer.status == 200
    # The second half is not there before the first has come through nginx and been read.
    assert answer.readline() == b"data: first\n"
    (site.lux.data_dir / "go-on").touch()
    assert answer.read() == b"\ndata: second\n\n"
    assert site.get("/metrics").status == 401
    assert site.send("GET", "/metrics", {"X-Forwarded-For": "127.0.0.1"}).status == 401
    assert site.send("GET", "/metrics", {"Authorization": f"Bearer {TOKEN}"}).status == 200
    assert site.lux.request("GET", "/metrics")[0] == 200
