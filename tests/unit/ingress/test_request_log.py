import asyncio
import io
import json
from datetime import UTC, datetime

from receiver.ingress.request_log import RequestLog


async def test_a_line_is_json_and_cannot_drive_a_terminal():
    stream = io.StringIO()
    path = "/a\x1b[31m\u202e\u009b\u2028é"
    RequestLog(stream).write(received_at=datetime(2026, 1, 1, tzinfo=UTC), path=path, reason=None)
    await asyncio.sleep(0)
    line = stream.getvalue()
    assert line.endswith("\n") and line.count("\n") == 1
    assert all(character.isprintable() for character in line[:-1])
    assert json.loads(line) == {"time": "2026-01-01T00:00:00Z", "path": path}


async def test_lines_of_one_round_of_the_loop_are_written_together_and_in_order():
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    log = RequestLog(Stream())
    for status in ("queued", "duplicate"):
        log.write(received_at=datetime(2026, 1, 1, tzinfo=UTC), status=status)
    assert written == []
    await asyncio.sleep(0)
    log.write(received_at=datetime(2026, 1, 1, tzinfo=UTC), status="held")
    await asyncio.sleep(0)
    statuses = [[json.loads(line)["status"] for line in text.splitlines()] for text in written]
    assert statuses == [["queued", "duplicate"], ["held"]]


async def test_each_line_is_counted_with_its_fields():
    counted: list[dict[str, object]] = []
    log = RequestLog(io.StringIO(), [counted.append])
    log.write(received_at=datetime(2026, 1, 1, tzinfo=UTC), webhook="orders", status="rejected", reason="filtered")
    assert counted == [{"webhook": "orders", "status": "rejected", "reason": "filtered"}]
