from pathlib import Path

import pytest

from receiver.supervisor.loglines import BoundedLog, LineSplitter, level_of, shown


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("12:00:01.123 | INFO    | prefect.worker - started", "INFO"),
        ("WARNING:  something", "WARNING"),
        ("2026-11-24 06:00:00.000 UTC [7] FATAL:  could not open file", "ERROR"),
        ("2026-11-24 06:00:00.000 UTC [7] LOG:  listening", "INFO"),
        ("INFORMATION is not a level", ""),
        ("x" * 100 + " ERROR far from the start", ""),
    ],
)
def test_the_level_is_read_from_the_start_of_a_line(line: str, level: str) -> None:
    assert level_of(line) == level


def test_a_json_line_is_shown_in_short_and_without_what_is_empty() -> None:
    line = '{"time":"2026-11-24T06:00:00Z","level":"warning","method":"POST","path":"/a","status":401,"x":null,"ms":3}'
    assert shown(line) == "WARNING POST /a 401 ms=3"
    assert level_of(shown(line)) == "WARNING"


def test_what_only_looks_like_json_is_shown_as_it_is() -> None:
    assert shown("{not json") == "{not json"


@pytest.mark.parametrize("line", ["a\x1b[31mred", '{"path": "/\\u001b]0;title"}', "a\rb", "a\u202eb"])
def test_no_control_character_of_a_sender_reaches_the_terminal(line: str) -> None:
    assert shown(line).isprintable()


def test_lines_are_put_together_from_pieces_and_the_rest_comes_at_the_end() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"on")) == []
    assert list(splitter.feed(b"e\r\n\xc3")) == ["one"]
    assert list(splitter.feed(b"\xa4\n\nrest")) == ["ä", ""]
    assert list(splitter.feed(b"")) == ["rest"]
    assert list(splitter.feed(b"")) == []


def test_a_line_without_end_is_cut_instead_of_kept_in_memory() -> None:
    splitter = LineSplitter()
    assert [len(line) for line in splitter.feed(b"x" * 100_000)] == [32 * 1024]


def test_a_log_file_is_bounded_and_keeps_the_one_before(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "a.log", size=100)
    for number in range(40):
        log.write(f"line {number:02}")
    log.close()
    kept = (tmp_path / "a.log.1").read_text() + (tmp_path / "a.log").read_text()
    assert kept.endswith("line 39\n")
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 120
    assert len(list(tmp_path.iterdir())) == 2
