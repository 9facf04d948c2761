import io
import json
from datetime import UTC, datetime

from receiver.ingress.request_log import RequestLog


def test_a_line_is_json_and_cannot_drive_a_terminal():
    stream = io.StringIO()
    path = "/a\x1b[31m\u202e\u009b\u2028é"
    RequestLog(stream).write(received_at=datetime(2026, 1, 1, tzinfo=UTC), path=path, reason=None)
    line = stream.getvalue()
    assert line.endswith("\n") and line.count("\n") == 1
    assert all(character.isprintable() for character in line[:-1])
    assert json.loads(line) == {"time": "2026-01-01T00:00:00Z", "path": path}
