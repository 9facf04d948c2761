from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.quantities import format_duration, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds", "shortest"),
    [
        ("30s", 30, "30s"),
        ("10m", 600, "10m"),
        ("4h", 14_400, "4h"),
        ("4d", 345_600, "4d"),
        (" 90 m ", 5400, "90m"),
        ("120s", 120, "2m"),
        ("24h", 86_400, "1d"),
        ("0s", 0, "0s"),
        ("999999999d", 999_999_999 * 86_400, "999999999d"),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int, shortest: str):
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert format_duration(parse_duration(text)) == shortest


@pytest.mark.parametrize("text", ["", "4", "d", "4w", "1.5h", "-1s", "4 days", "1h30m", "٤d", "4D", "1" * 10 + "s"])
def test_what_is_no_duration_says_how_to_write_one(text: str):
    with pytest.raises(ValueError, match="write a whole number and s, m, h or d"):
        parse_duration(text)


@given(st.integers(0, 999_999_999))
def test_every_whole_second_is_written_as_it_is_read(seconds: int):
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000", 1000),
        ("0", 0),
        ("5b", 5),
        ("1k", 1024),
        ("1kB", 1000),
        ("256KiB", 262_144),
        ("1 MiB", 1_048_576),
        ("2MB", 2_000_000),
        ("1M", 1_048_576),
    ],
)
def test_a_size_is_bytes_or_a_number_and_a_unit(text: str, size: int):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "1GiB", "1.5MiB", "-1", "1 mega", "٤", "1" * 13])
def test_what_is_no_size_says_how_to_write_one(text: str):
    with pytest.raises(ValueError, match="write bytes or a unit"):
        parse_size(text)
