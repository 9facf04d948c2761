"""`python -m receiver.cli` is `webhooks`."""

from receiver.cli import app

app()
