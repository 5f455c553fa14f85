"""Wall-clock times in zones: gaps explained, doubled hours named, nonsense refused beside its field."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lib.local_times import USUAL_ZONES, LocalTimeInvalid, find_zone, read_local_time


def test_a_time_in_a_zone_becomes_a_moment() -> None:
    assert read_local_time("2027-05-01", "09:00", "America/New_York").at == datetime(2027, 5, 1, 13, tzinfo=UTC)


def test_a_time_that_the_clock_skips_is_refused_and_explained() -> None:
    with pytest.raises(LocalTimeInvalid, match="does not exist on 28 March 2027 in Europe/Berlin") as refused:
        read_local_time("2027-03-28", "02:30", "Europe/Berlin")
    assert refused.value.field == "time"
    assert "03:30" in str(refused.value)


def test_a_gap_of_half_an_hour_is_named_as_such() -> None:
    with pytest.raises(LocalTimeInvalid, match="30 minutes"):
        read_local_time("2026-10-04", "02:15", "Australia/Lord_Howe")


def test_an_hour_that_comes_twice_is_taken_the_first_time_and_said_so() -> None:
    chosen = read_local_time("2027-10-31", "02:30", "Europe/Berlin")
    assert chosen.at == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    assert "comes twice" in chosen.note


@pytest.mark.parametrize(
    ("date", "time", "zone", "field"),
    [
        ("", "09:00", "UTC", "date"),
        ("2027-02-30", "09:00", "UTC", "date"),
        ("0001-01-01", "09:00", "UTC", "date"),
        ("2027-02-01", "", "UTC", "time"),
        ("2027-02-01", "25:00", "UTC", "time"),
        ("2027-02-01", "09:00", "", "timezone"),
        ("2027-02-01", "09:00", "Mars/Base", "timezone"),
        ("2027-02-01", "09:00", "../../etc/passwd", "timezone"),
    ],
)
def test_what_cannot_be_used_is_refused_beside_its_field(date: str, time: str, zone: str, field: str) -> None:
    with pytest.raises(LocalTimeInvalid) as refused:
        read_local_time(date, time, zone)
    assert refused.value.field == field


def test_every_suggested_zone_exists() -> None:
    assert all(find_zone(name).key == name for name in USUAL_ZONES)
