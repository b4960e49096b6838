"""The registry as its callers see it: one object with a service for each thing that people do.

`registry.open(url)` gives it for a folder and for a gRPC address. Methods raise `Refusal` with one clear sentence for
what a caller did wrong, and `Unreachable` when the registry does not answer. Every write is idempotent: a caller that
got no acknowledgement calls again. Every answer is bounded: long lists come in pages (`registry.lists.every`
reads them all).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import get_type_hints

from registry.records import Info
from registry.services.definitions import Definitions
from registry.services.maintenance import Maintenance
from registry.services.members import Members
from registry.services.method import Service, ServiceMethod, method
from registry.services.releases import Releases
from registry.services.review import Reviews
from registry.services.rounds import Rounds
from registry.services.transparency import Transparency
from registry.services.versions import Versions
from registry.services.weights import Weights
from registry.services.work import Work


class Registry(Service, ABC):
    """All services of one registry, and what the registry says of itself."""

    definitions: Definitions
    weights: Weights
    work: Work
    rounds: Rounds
    versions: Versions
    releases: Releases
    review: Reviews
    members: Members
    maintenance: Maintenance
    transparency: Transparency

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes of weights that this process has sent to it and received from it; none where no wire is between."""
        return (0, 0)

    @method("reader")
    @abstractmethod
    def info(self) -> Info:
        """Protocol, software, the fleet's address, and the kinds of database and store."""

    @abstractmethod
    def close(self) -> None:
        """Release files and connections."""


SERVICES: Mapping[str, type[Service]] = {
    name: kind
    for name, kind in get_type_hints(Registry).items()
    if isinstance(kind, type) and issubclass(kind, Service)
}
"""The services by the name of their attribute."""

METHODS: Mapping[str, ServiceMethod] = dict(Registry.methods) | {
    name: one for service in SERVICES.values() for name, one in service.methods.items()
}
"""Every declared method; a name belongs to one service only."""
