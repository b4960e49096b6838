"""What a node obeys: signed orders of a running round of its registry, and nothing else."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from contributor_client.order_checks import accepted_order
from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.assignment import Probe
from ratatouille.exchange.membership import Announcement
from ratatouille.exchange.order import ForeignOrder, Order, UnknownRound, seal_order
from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from registry.records import RoundRecord
from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from registry.services.registry import Registry

ORDER = Order(
    round="a-round",
    assignment=Probe(
        architecture="1" * 64,
        task="2" * 64,
        fingerprint="3" * 64,
        image_size=32,
        featurizer="4" * 64,
        domains=("day",),
        l2=1.0,
        iterations=10,
    ),
)


@pytest.fixture
def coordinator(tmp_path: Path) -> Signer:
    return Signer.open(tmp_path / "coordinator" / "key")


@pytest.fixture
def registry(tmp_path: Path, coordinator: Signer) -> Registry:
    """One that has a coordinator and one requested round."""
    registry = LocalRegistry(tmp_path / "registry")
    registry.work.announce(coordinator.seal(Announcement(fleet="127.0.0.1:9291")))
    registry.rounds.request_round(
        RoundRecord(id=ORDER.round, name="spring", spec="{}", state="requested", created=1.0, changed=1.0)
    )
    return registry


def running(registry: Registry) -> Registry:
    assert registry.rounds.move_round(ORDER.round, ["requested"], "running")
    return registry


def test_an_order_of_the_coordinator_for_a_running_round_is_obeyed(registry: Registry, coordinator: Signer) -> None:
    assert accepted_order(seal_order(coordinator, ORDER), running(registry)) == ORDER


def test_an_order_that_somebody_else_signed_is_refused(registry: Registry, tmp_path: Path) -> None:
    stranger = Signer.open(tmp_path / "stranger" / "key")
    with pytest.raises(ForeignOrder, match="signed by") as caught:
        accepted_order(seal_order(stranger, ORDER), running(registry))
    assert caught.value.code == "order-foreign"


@pytest.mark.parametrize("data", [b"", b"{}", b"nonsense", ORDER.to_json(), b"[" * 10_000])
def test_what_is_not_signed_is_refused(registry: Registry, data: bytes) -> None:
    with pytest.raises(ForeignOrder, match="no signed order"):
        accepted_order(data, running(registry))


def test_an_order_that_was_changed_on_its_way_is_refused(registry: Registry, coordinator: Signer) -> None:
    changed = seal_order(coordinator, ORDER).replace(b"a-round", b"b-round")
    with pytest.raises(ForeignOrder, match="signature"):
        accepted_order(changed, running(registry))


def test_another_record_of_the_coordinator_is_no_order(registry: Registry, coordinator: Signer) -> None:
    announcement = coordinator.seal(Announcement(fleet=None)).to_json()
    with pytest.raises(ForeignOrder):
        accepted_order(announcement, running(registry))


def test_an_order_of_a_round_that_never_existed_is_refused(registry: Registry, coordinator: Signer) -> None:
    never = ORDER.model_copy(update={"round": "never"})
    with pytest.raises(UnknownRound, match="does not know") as caught:
        accepted_order(seal_order(coordinator, never), registry)
    assert caught.value.code == "round-not-running"


@pytest.mark.parametrize("state", ["requested", "cancelling", "cancelled", "done", "failed"])
def test_an_order_of_a_round_that_does_not_run_is_refused(registry: Registry, coordinator: Signer, state: str) -> None:
    assert registry.rounds.move_round(ORDER.round, ["requested"], state)  # type: ignore[arg-type]
    with pytest.raises(UnknownRound, match=f"it is {state}"):
        accepted_order(seal_order(coordinator, ORDER), registry)


def test_a_name_that_merely_finds_a_running_round_is_not_its_id(registry: Registry, coordinator: Signer) -> None:
    by_name = ORDER.model_copy(update={"round": "spring"})
    with pytest.raises(UnknownRound):
        accepted_order(seal_order(coordinator, by_name), running(registry))


def test_without_a_coordinator_nobody_gives_orders(tmp_path: Path, coordinator: Signer) -> None:
    with pytest.raises(ForeignOrder, match="no coordinator"):
        accepted_order(seal_order(coordinator, ORDER), LocalRegistry(tmp_path / "empty"))


def test_nobody_else_announces_himself_at_a_service_that_a_coordinator_started(
    tmp_path: Path, coordinator: Signer
) -> None:
    service = RegistryServer(tmp_path / "served", coordinator=coordinator.node)
    service.start()
    registry = open_registry(service.address)
    try:
        registry.work.announce(coordinator.seal(Announcement(fleet="127.0.0.1:9291")))
        stranger = Signer.open(tmp_path / "stranger" / "key")
        for fleet in ("127.0.0.1:6666", None):
            with pytest.raises(Refusal, match="this registry is coordinated by"):
                registry.work.announce(stranger.seal(Announcement(fleet=fleet)))
        assert (registry.info().fleet, registry.info().coordinator) == ("127.0.0.1:9291", coordinator.node)
    finally:
        registry.close()
        service.stop(grace=0)


def test_an_announcement_that_somebody_kept_says_nothing_later(registry: Registry, coordinator: Signer) -> None:
    goodbye = coordinator.seal(Announcement(fleet=None))
    registry.work.announce(coordinator.seal(Announcement(fleet="127.0.0.1:9292")))
    with pytest.raises(Unreachable, match=r"this announcement of node .* before the last one"):
        registry.work.announce(goodbye)
    assert registry.info().fleet == "127.0.0.1:9292"


def test_nor_does_one_from_before_the_registry_was_opened(tmp_path: Path, coordinator: Signer) -> None:
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        with pytest.raises(Unreachable, match=r"before the last one"):
            registry.work.announce(coordinator.seal(Announcement(fleet="127.0.0.1:1", issued=time.time() - 3600.0)))
        last = coordinator.seal(Announcement(fleet="127.0.0.1:2"))
        registry.work.announce(last)
        registry.work.announce(last)  # its acknowledgement was lost
        assert registry.info().fleet == "127.0.0.1:2"
