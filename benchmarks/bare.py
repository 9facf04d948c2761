"""The yardstick, `python -m benchmarks.bare PORT`: a bare FastAPI endpoint that checks a signature, stores nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request

from benchmarks.loading import SECRET, SIGNATURE_HEADER

app = FastAPI(openapi_url=None)


@app.post("/bare", status_code=202)
async def bare(request: Request) -> dict[str, Any]:
    """Take a signed JSON body as most people would write it."""
    body = await request.body()
    expected = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get(SIGNATURE_HEADER, "")):
        raise HTTPException(401)
    return {"id": json.loads(body)["id"], "status": "queued"}


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_config=None
    )
