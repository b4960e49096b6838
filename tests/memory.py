"""A registry in memory for tests of its callers: one object that has the methods which a test needs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from registry.services.registry import SERVICES, Registry


def registry_of(methods: Any) -> Registry:
    """A registry whose services are all this object."""
    services: dict[str, Any] = dict.fromkeys(SERVICES, methods)
    return cast(Registry, SimpleNamespace(**services, info=lambda: methods.info()))
