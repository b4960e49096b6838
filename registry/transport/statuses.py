"""Errors as gRPC statuses: a service sends a refusal with its sentence, and a client turns it back into the error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

import grpc

from ratatouille.addresses import Address
from ratatouille.errors import UPGRADE, Misconfigured, RatatouilleError, Refusal, Unreachable
from ratatouille.exchange.member_changes import EndedFlowerKey
from ratatouille.processes.throttle import Throttle
from registry.caller import Forbidden, Unauthenticated
from registry.cancellation import Cancelled
from registry.transport.wire import OURS

LONGEST_SENTENCE = 1500
"""Characters of a refusal."""
LARGEST_STATUS = 6000
"""Bytes of a refusal as gRPC sends it: three for each byte of a letter that is not ASCII. Of a status with more than
8 KiB a client drops the sentence, and who said it.
"""
_NO_GRPC = "Received http2 header with status"
"""What gRPC says of an answer that is plain HTTP."""

_log = logging.getLogger("registry")
_THROTTLE = Throttle()


class UnknownMethod(Refusal):
    """A method that no service has."""


class Misused(Refusal):
    """Arguments that a method does not take."""


class TooLarge(Refusal):
    """A question or an answer that does not fit one message."""


_CODES = {
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    UnknownMethod: grpc.StatusCode.UNIMPLEMENTED,
    Misused: grpc.StatusCode.INVALID_ARGUMENT,
    TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    EndedFlowerKey: grpc.StatusCode.OUT_OF_RANGE,
    Unreachable: grpc.StatusCode.UNAVAILABLE,
    Misconfigured: grpc.StatusCode.ABORTED,
}

_MEANINGS: dict[grpc.StatusCode, type[RatatouilleError]] = {code: kind for kind, code in _CODES.items()} | {
    grpc.StatusCode.UNIMPLEMENTED: Refusal,
    grpc.StatusCode.INTERNAL: Unreachable,
}


@contextmanager
def refusals(context: grpc.ServicerContext, what: str) -> Iterator[None]:
    """Send a refusal as a status; log anything else, since it is a defect of ours."""
    try:
        yield
        return
    except Cancelled:
        code, sentence = grpc.StatusCode.CANCELLED, f"nobody waits for {what} any more"
    except RatatouilleError as error:
        code, sentence = _CODES.get(type(error), grpc.StatusCode.FAILED_PRECONDITION), str(error)
    except Exception as error:
        if not context.is_active():  # the caller is gone
            return
        if (left_out := _THROTTLE.passes(f"{what}: {type(error).__name__}")) is not None:
            _log.exception("%s failed%s", what, f" (and {left_out} times before)" if left_out else "")
        code, sentence = grpc.StatusCode.INTERNAL, f"the registry failed at this {what}; its log says why"
    # A status that is all of an answer is one frame of headers, and its end may leave the door as a frame of its own:
    # then the status is lost. So metadata that is not empty goes out before it.
    with suppress(ValueError, grpc.RpcError):  # it went out already, or the caller is gone
        context.send_initial_metadata((OURS,))
    context.set_trailing_metadata((OURS,))
    context.abort(code, fitted(sentence))


def fitted(sentence: str) -> str:
    """As much of a sentence as fits a status."""
    room = LARGEST_STATUS
    for place, letter in enumerate(sentence[:LONGEST_SENTENCE]):
        room -= 1 if " " <= letter <= "~" and letter != "%" else 3 * len(letter.encode(errors="replace"))
        if room < 0:
            return sentence[:place]
    return sentence[:LONGEST_SENTENCE]


@contextmanager
def errors(url: str, what: str) -> Iterator[None]:
    """Turn the statuses of one call to a registry back into errors."""
    try:
        yield
    except grpc.RpcError as error:
        raise _meaning(cast(grpc.Call, error), url, what) from error


def _meaning(error: grpc.Call, url: str, what: str) -> RatatouilleError:
    code, sentence = error.code(), error.details() or ""
    if OURS in tuple(error.trailing_metadata() or ()):
        return _MEANINGS.get(code, Refusal)(sentence)
    if _NO_GRPC in sentence and code != grpc.StatusCode.UNAVAILABLE:  # a web server, or a door that has no such path
        code = grpc.StatusCode.UNIMPLEMENTED
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return Unreachable(_why_away(url))
        case grpc.StatusCode.CANCELLED:
            return Unreachable(f"{what} was ended by the registry at {url}, or was silent for too long; try again")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return Unreachable(f"the registry at {url} did not answer {what} in time; try again")
        case grpc.StatusCode.UNIMPLEMENTED:
            return Refusal(
                f"what answers at {url} is no registry of this kind, or runs older software; check the address, "
                f"or upgrade it: {UPGRADE}"
            )
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return TooLarge(f"{what} is too large for one message to {url}: {sentence}")
        case _:
            return Unreachable(f"the connection to {url} broke during {what} ({code.name.lower()}); try again")


def _why_away(url: str) -> str:
    """Why no registry answers at an address. On this machine there is one cause, so nothing is tried there."""
    address = Address.parse(url)
    if address.encrypted or not address.is_loopback:
        from registry.transport.diagnosis import trouble  # reads certificates, which readers need not wait for

        if (why := trouble(url)) is not None:
            return f"no registry answers at {url}: {why}"
        if address.encrypted:
            return f"no registry answers at {url}, though its door does; it may be starting: try again in a moment"
    return f"no registry answers at {url}; start it, or name another with --remote"
