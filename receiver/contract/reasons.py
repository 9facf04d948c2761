"""Why a request was refused, held, filtered or given up: one enumeration, used alike in log line, row and console."""

from enum import StrEnum


class Reason(StrEnum):
    """The cause on a delivery that did not simply run. The value is what log, database, API and metrics carry."""

    # refused before it is a request
    REQUEST_MALFORMED = "request_malformed"
    URL_TOO_LONG = "url_too_long"
    HEADERS_TOO_LARGE = "headers_too_large"
    HEAD_INCOMPLETE = "head_incomplete"

    # refused before anything is believed
    OVERLOADED = "overloaded"
    UNKNOWN_PATH = "unknown_path"
    WEBHOOK_DISABLED = "webhook_disabled"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    NETWORKS_UNAVAILABLE = "networks_unavailable"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    INSECURE_TRANSPORT = "insecure_transport"
    BODY_TOO_LARGE = "body_too_large"
    BODY_INCOMPLETE = "body_incomplete"
    ENCODING_UNSUPPORTED = "encoding_unsupported"
    ENCODING_INVALID = "encoding_invalid"
    RATE_LIMITED = "rate_limited"
    STORE_UNAVAILABLE = "store_unavailable"
    DEFINITION_BROKEN = "definition_broken"
    INTERNAL_ERROR = "internal_error"

    # refused by the verification
    CREDENTIAL_MISSING = "credential_missing"
    CREDENTIAL_MALFORMED = "credential_malformed"
    CREDENTIAL_WRONG = "credential_wrong"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_MISMATCH = "signature_mismatch"
    TIMESTAMP_MISSING = "timestamp_missing"
    TIMESTAMP_MALFORMED = "timestamp_malformed"
    TIMESTAMP_OUTSIDE_TOLERANCE = "timestamp_outside_tolerance"
    SECRET_UNAVAILABLE = "secret_unavailable"  # noqa: S105 (the name of a cause)
    CERTIFICATE_INVALID = "certificate_invalid"
    DOCUMENT_UNAVAILABLE = "document_unavailable"

    # verified, but cannot be used: refused or held
    UNREADABLE = "unreadable"
    TOO_COMPLEX = "too_complex"
    SCHEMA_MISMATCH = "schema_mismatch"
    TEMPLATE_ERROR = "template_error"
    FILTER_ERROR = "filter_error"
    SPLIT_ERROR = "split_error"
    RESERVED_KEY = "reserved_key"
    PARAMETERS_INVALID = "parameters_invalid"

    # verified and usable, but not run (now)
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
    REPLAYED = "replayed"
    PAUSED = "paused"

    # not handed over to Prefect
    DEPLOYMENT_MISSING = "deployment_missing"
    HANDOVER_REFUSED = "handover_refused"
    RUN_MISSING = "run_missing"
    DISCARDED = "discarded"
    EXPIRED = "expired"

    # the answer
    BAD_REPLY = "bad_reply"
