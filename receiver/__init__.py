"""The contract for authors of flows: `from receiver import webhook, Context, Reply`. Nothing heavy is imported."""

from receiver.contract.answering import respond
from receiver.contract.batching import Batch, DeliveriesFailed
from receiver.contract.context import Context, FileRef
from receiver.contract.reply import Reply
from receiver.contract.templates import render
from receiver.contract.wrapper import webhook

__all__ = ["Batch", "Context", "DeliveriesFailed", "FileRef", "Reply", "render", "respond", "webhook"]
