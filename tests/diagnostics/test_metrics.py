"""What /metrics tells, to whom, and that it is right with several processes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from diagnostics.metrics import FAMILIES
from tests.servers import Lux, wait_until

ROOT = Path(__file__).resolve().parents[2]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> Samples:
    """Every sample by name and labels, read by Prometheus' own library."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def test_every_metric_is_documented_with_its_kind_and_labels() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(lux_[a-z_]+)` \| (\w+) \| ?([a-z, ]*?) ?\| ([^|]+) \|$", text, re.MULTILINE)
    assert [(name, kind, labels, meaning) for name, kind, labels, meaning in rows] == [
        (family.name, family.kind, ", ".join(family.labels), family.meaning) for family in FAMILIES
    ]


def test_prometheus_reads_every_family_and_none_is_unknown(client: FlaskClient) -> None:
    client.get("/livez")
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    known = {family.name.removesuffix("_total") for family in FAMILIES}
    told = {family.name for family in text_string_to_metric_families(answer.text)}
    assert told <= known
    assert {"lux_requests", "lux_database_up", "lux_messages", "lux_health_status", "lux_build_info"} <= told


def test_a_route_is_a_rule_and_never_what_somebody_asked_for(client: FlaskClient) -> None:
    client.get("/contacts/4711")
    client.get("/wp-login.php?token=abc")
    client.open("/", method="BREW")
    text = client.get("/metrics").text
    assert "/4711" not in text and "wp-login" not in text and "BREW" not in text
    samples = read(text)
    assert value(samples, "lux_requests_total", route="/contacts/<int:contact_id>", method="GET", status="3xx") >= 1
    assert value(samples, "lux_requests_total", route="(none)", method="GET", status="4xx") >= 1


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Proto", "CF-Connecting-IP", "X-Forwarded-Host"],
)
def test_behind_a_proxy_nobody_is_this_machine(make_app: Callable[..., Flask], app: Flask, header: str) -> None:
    production = make_app(LUX_ENV="production", LUX_PUBLIC_URL="https://lux.example", OPERATOR_TOKEN="t" * 40)
    client = production.test_client()
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={header: "127.0.0.1"}).status_code == 401
    assert client.get("/metrics", headers={"Host": "lux.example"}).status_code == 401
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 401
    token = {header: "127.0.0.1", "Authorization": "Bearer " + "t" * 40}
    assert client.get("/metrics", headers=token).status_code == 200


def test_a_trusted_proxy_that_names_loopback_is_not_believed(make_app: Callable[..., Flask], app: Flask) -> None:
    client = make_app(PROXY_HOPS="1").test_client()
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401


def test_without_a_database_the_counters_are_told_and_it_is_said(make_app: Callable[..., Flask]) -> None:
    client = make_app(DATABASE_URL="postgresql://lux@127.0.0.1:1/lux").test_client()
    samples = read(client.get("/metrics").text)
    assert value(samples, "lux_database_up") == 0
    assert any(name == "lux_requests_total" for name, _ in samples)
    assert not any(name == "lux_messages" for name, _ in samples)


def test_several_processes_count_together_and_a_restart_forgets_nothing(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux(workers=3, has_worker=True)
    for _ in range(60):
        assert lux.request("GET", "/sign-in")[0] == 200
    for process in lux.list_web_processes():
        process.kill()
    wait_until(lambda: len([p for p in lux.list_web_processes() if p.is_running()]) == 3, "new processes")
    wait_until(lambda: lux.count("process_heartbeats", "kind = 'web'") >= 3, "them to show themselves")
    for _ in range(40):
        assert lux.request("GET", "/sign-in")[0] == 200
    samples = read(lux.request("GET", "/metrics")[2].decode())
    assert value(samples, "lux_requests_total", route="/sign-in", method="GET", status="2xx") == 100
    assert value(samples, "lux_request_duration_seconds_count", route="/sign-in") == 100
    assert value(samples, "lux_processes", kind="worker") == 1
    assert value(samples, "lux_process_memory_bytes", kind="worker") > 10_000_000
    assert value(samples, "lux_database_up") == 1
    assert value(samples, "lux_job_runs_total", job="start_due_campaigns", result="done") >= 1
