"""A webhook's definition, the same in Python, in JSON and in the console.

`parse_definition` makes a `WebhookDefinition` from its fields, `WebhookDefinition.to_json()` gives them back, and
`get_definition` finds the one that `@webhook` put on a flow.
"""

from receiver.contract.model import DEFAULT_MAX_BODY, BatchRule, Deduplication, ResponseTemplate, WebhookDefinition
from receiver.contract.parse import generate_key, parse_definition
from receiver.contract.wrapper import get_definition

__all__ = [
    "DEFAULT_MAX_BODY",
    "BatchRule",
    "Deduplication",
    "ResponseTemplate",
    "WebhookDefinition",
    "generate_key",
    "get_definition",
    "parse_definition",
]
