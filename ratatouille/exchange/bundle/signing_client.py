"""Signs the requests that our processes send to Flower's guarded services: an interceptor of Flower's HTTP clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratatouille.processes.secret import HEADER, Secret

if TYPE_CHECKING:
    import httpx
    from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext


class SigningInterceptor:
    """Signs each request, and each repetition of one anew. Put it last: what it signs must be what is sent."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """Sign and pass on."""
        request = context.request
        request.headers[HEADER] = self._secret.sign(request.method, request.url.path, request.content)
        return call_next(context)
