"""Arguments that services do not take: each method refuses them by name, in process and over gRPC."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from registry.opening import open_registry
from registry.server import RegistryServer
from registry.services.registry import METHODS, SERVICES, Registry

ARGUMENTS = {
    name: found
    for name, method in METHODS.items()
    if (found := list(inspect.signature(method.function).parameters)[1:])
}


@pytest.fixture(scope="module", params=["in process", "over gRPC"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    server = RegistryServer(folder) if request.param == "over gRPC" else None
    if server is not None:
        server.start()
    found = open_registry(folder if server is None else server.address)
    yield found
    found.close()
    if server is not None:
        server.stop()


@pytest.mark.parametrize("method", ARGUMENTS)
@pytest.mark.parametrize("value", [object(), 1.5j, [None], Path("x")], ids=["object", "number", "list", "path"])
def test_arguments_of_other_types_are_refused_by_name(registry: Registry, method: str, value: object) -> None:
    service = next(one for one, kind in SERVICES.items() if kind is METHODS[method].service)
    call = getattr(getattr(registry, service), method)
    with pytest.raises(Refusal, match=f"{method} (cannot be called like this: {ARGUMENTS[method][0]}|works in a)"):
        call(**dict.fromkeys(ARGUMENTS[method], value))


def test_a_key_that_is_none_is_refused_and_not_a_defect(registry: Registry) -> None:
    with pytest.raises(Refusal, match=r"member cannot be called like this: nodes\.0: string should match pattern"):
        registry.work.member(["x"])
