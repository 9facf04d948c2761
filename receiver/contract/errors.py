"""Every exception of ours.

WebhooksError
├── DefinitionError     a webhook's definition cannot be used; names the field
├── TemplateError       a template cannot be compiled or rendered; names the path
├── EnvelopeError       what reached a flow is not a request from the receiver
├── FetchError          a flow could not get a body or a file from the receiver
├── ReplyTooLarge       a flow's reply is over 512 KiB
├── BadReply            a flow's reply cannot be sent (header, status, not JSON)
├── DeliveriesFailed    some deliveries of a run for many failed (`batching.py`)
├── OutboundRefused     a call to another system is not made, or its answer is not taken
│   ├── AddressRefused      its host has only addresses that nobody opened
│   ├── RedirectRefused     it would go on without encryption, or to what is no address
│   └── AnswerTooLarge      its answer is over the size allowed
├── Refused             a request is refused: the reason for the log, the words for the sender
│   └── Unverified      its source could not be verified; the sender is never told why
└── Unusable            a verified request that cannot be used: refused or held, as the webhook says
"""

from receiver.contract.reasons import Reason


class WebhooksError(Exception):
    """The root of this project's exceptions."""


class DefinitionError(WebhooksError):
    """A webhook's definition cannot be used. `field` is its dotted name, `problem` says what to do."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class TemplateError(WebhooksError):
    """A template cannot be compiled or rendered. The message names the placeholder and the path that is missing."""


class EnvelopeError(WebhooksError):
    """What reached a flow as `context` is not an envelope of the receiver's."""


class FetchError(WebhooksError):
    """A flow could not get a request, its raw body or a file from the receiver. The message says what to look at."""


class ReplyTooLarge(WebhooksError):
    """A flow's reply is over 512 KiB. Store the data and reply with its address."""


class BadReply(WebhooksError):
    """A flow's reply cannot be sent: a forbidden header, a status outside 200-599, a body that JSON cannot hold."""


class OutboundRefused(WebhooksError):
    """A call to another system is not made, or its answer is not taken. The message holds no secret."""


class AddressRefused(OutboundRefused):
    """No address of `host` may be connected to; `address` is the first of them and `kind` says what it is."""

    def __init__(self, host: str, address: str, kind: str) -> None:
        super().__init__(f"{host} is at {address}, which is {kind}: it is not called")
        self.host = host
        self.address = address
        self.kind = kind


class RedirectRefused(OutboundRefused):
    """A redirect is not followed: it leads from https to http, or to what is no address."""


class AnswerTooLarge(OutboundRefused):
    """An answer is over the size allowed; the rest of it was not read."""


class Refused(WebhooksError):
    """A request is refused. `reason` goes to the log and the row; `detail` too, and holds no secret.

    `retry_after`: the seconds after which it may be taken, where they are known.
    """

    def __init__(self, reason: Reason, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after


class Unverified(Refused):
    """The source of a request could not be verified. The one exception a verifier raises, for any bytes whatever."""


class Unusable(Refused):
    """A verified request that cannot be used. `problems` are `{"path": ..., "problem": ...}`, shown to the sender."""

    def __init__(self, reason: Reason, detail: str, problems: tuple[dict[str, str], ...] = ()) -> None:
        super().__init__(reason, detail)
        self.problems = problems
