"""The scheme `rfc9421`: HTTP message signatures, which cover the parts of a request that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException
from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.asymmetric import cannot_sign, public_keys, read_public_key
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.keys import decode_keys
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.timestamps import check_age
from receiver.ingress.verify.wire import header_text, one_header, with_headers, without_headers

_ALGORITHMS: Mapping[str, type[algorithms.HTTPSignatureAlgorithm]] = {
    each.algorithm_id: each
    for each in (
        algorithms.HMAC_SHA256,
        algorithms.ED25519,
        algorithms.ECDSA_P256_SHA256,
        algorithms.ECDSA_P384_SHA384,
        algorithms.RSA_PSS_SHA512,
        algorithms.RSA_V1_5_SHA256,
    )
}
_ENTRY = rb"[a-z*][a-z0-9_.*-]*=:(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?:"
_SIGNATURES = re.compile(_ENTRY + rb"(?:[ \t]*,[ \t]*" + _ENTRY + rb"){0,3}")
"""The header Signature: labels with canonical base64, so that no bit of it is without effect."""

_OF_ADDRESS = frozenset({"@target-uri", "@authority", "@scheme"})


class Rfc9421Options(SchemeOptions):
    """Which signatures are believed."""

    algorithm: Literal[
        "hmac-sha256", "ed25519", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-sha512", "rsa-v1_5-sha256"
    ] = Field(description="The one algorithm that is taken.")
    components: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default=[], description="Parts that have to be signed besides the body's digest: `@method`, `@target-uri`, ..."
    )
    digest: Literal["signed", "unsigned"] = Field(
        default="signed",
        description="`signed`: Content-Digest has to be signed and be the body's; `unsigned`: a body may go unsigned.",
    )
    key: Literal["plain", "base64"] = Field(default="plain", description="How the secret of `hmac-sha256` is written.")
    key_id: str | None = Field(default=None, description="The `keyid` a signature must name; any when left out.")
    tag: str | None = Field(default=None, description="The `tag` of the signature to look at, where there are several.")
    tolerance: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=300, description="Seconds a signature is good for after `created`."
    )


class Rfc9421(Scheme):
    """HTTP Message Signatures (RFC 9421). With `@target-uri` among them, `WEBHOOKS_PUBLIC_URL` has to be right."""

    name = "rfc9421"
    about = "senders of HTTP Message Signatures (RFC 9421)"
    to_enter = "the shared secret (`hmac-sha256`), or the public key as PEM"
    strength: ClassVar[Strength] = "signed"
    content_types = ()
    options_model = Rfc9421Options

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: see `Rfc9421Options`; `algorithm` is the one needed."""
        self.options = read_options(Rfc9421Options, self.name, options)
        self._algorithm = _ALGORITHMS[self.options.algorithm]
        self._shared = self.options.algorithm == "hmac-sha256"

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request of which one of the keys signed all that it has to, not too long ago."""
        keys = self._keys(secrets)
        missing, malformed = Reason.SIGNATURE_MISSING, Reason.SIGNATURE_MALFORMED
        text = one_header(request, ("signature",), missing=missing, malformed=malformed)
        told = one_header(request, ("signature-input",), missing=missing, malformed=malformed)
        if not _SIGNATURES.fullmatch(text):
            raise Unverified(malformed, "the header Signature is not of labels with signatures in base64")
        request = with_headers(request, {"signature": header_text(text), "signature-input": header_text(told)})
        problem = ""
        for label, key in keys:
            try:
                self._check_moment(self._verified(request, key), now)
            except HTTPMessageSignaturesException as error:
                problem = problem or str(error)[:200]
                continue
            return Verified(scheme=self.name, secret=label, mark=text)
        raise Unverified(Reason.SIGNATURE_MISMATCH, problem)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request signed with a shared secret; raises `DefinitionError` where only the sender can."""
        _, key = self._keys(secrets)[0]
        if not self._shared:
            raise cannot_sign("the sender")
        bare = without_headers(request, ("signature", "signature-input", "content-digest"))
        headers: dict[str, str] = {}
        signer = HTTPMessageSigner(signature_algorithm=self._algorithm, key_resolver=_OneKey(key))
        signer.sign(
            _Message(bare.method, bare.url, _Headers(bare.headers, headers)),
            key_id=self.options.key_id or "sample",
            created=now,
            tag=self.options.tag,
            label="sig1",
            covered_component_ids=tuple(dict.fromkeys(["@method", *self.options.components])),
            body=request.wire_body,
        )
        return with_headers(bare, {name.lower(): value for name, value in headers.items()})

    def signs_url(self) -> bool:
        """Where the `components` hold a part of the address that only the sender sees."""
        return not _OF_ADDRESS.isdisjoint(self.options.components)

    def carriers(self) -> Carriers:
        """The signature's header."""
        return Carriers(headers=frozenset({"signature"}))

    def _keys(self, secrets: Secrets | None) -> list[tuple[str, Any]]:
        if self._shared:
            return [*decode_keys(secrets, self.options.key)]
        return [*public_keys(secrets, self._read, f"a public key for {self.options.algorithm}")]

    def _read(self, text: str) -> Any:
        key = read_public_key(text)
        try:
            self._algorithm(public_key=key)
        except HTTPMessageSignaturesException as error:
            raise ValueError(str(error)) from None
        return key

    def _verified(self, request: RawRequest, key: Any) -> Mapping[str, int | str]:
        """The parameters of the signature, all of it checked but its moment."""
        verifier = _Verifier(signature_algorithm=self._algorithm, key_resolver=_OneKey(key, self.options.key_id))
        try:
            [result] = verifier.verify(
                _Message(request.method, request.url, _Headers(request.headers)),
                max_age=None,
                expect_tag=self.options.tag,
                require_components=tuple(self.options.components),
                body=request.wire_body if self.options.digest == "signed" else None,
            )
            if self.options.digest == "unsigned":
                verifier.content_digest_class.verify_components(result.covered_components, request.wire_body)
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise InvalidSignature(type(error).__name__) from None
        return result.parameters

    def _check_moment(self, parameters: Mapping[str, int | str], now: datetime) -> None:
        created, expires = parameters.get("created"), parameters.get("expires")
        if not isinstance(created, int):
            raise Unverified(Reason.TIMESTAMP_MISSING, "the signature does not tell when it was created")
        check_age(created, now, tolerance=self.options.tolerance, applies="both")
        if isinstance(expires, int) and now.timestamp() > expires:
            raise Unverified(Reason.TIMESTAMP_OUTSIDE_TOLERANCE, "the signature has expired")


class _Verifier(HTTPMessageVerifier):
    """The library's, with the moment left to us: there, time is no argument."""

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
        """Nothing."""


class _OneKey(HTTPSignatureKeyResolver):
    def __init__(self, key: Any, key_id: str | None = None) -> None:
        self._key = key
        self._key_id = key_id

    def resolve_public_key(self, key_id: str) -> Any:
        return self._key if self._key_id in (None, key_id) else None

    def resolve_private_key(self, key_id: str) -> Any:  # noqa: ARG002 (the library's)
        return self._key


class _Headers:
    """Headers as the library reads them, every line of them; what it sets goes into `added`."""

    def __init__(self, lines: tuple[tuple[str, str], ...], added: dict[str, str] | None = None) -> None:
        self._lines = lines
        self._added = added if added is not None else {}

    def items(self) -> list[tuple[str, str]]:
        return [*self._lines, *self._added.items()]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self.items()])

    def __setitem__(self, name: str, value: str) -> None:
        self._added[name] = value


@dataclass(frozen=True)
class _Message:
    method: str
    url: str
    headers: _Headers
