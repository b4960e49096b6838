"""The renewal of an offer: at a bounded pace while the node waits for its work lane, and at once when that has news."""

from __future__ import annotations

from pathlib import Path

from contributor_client.node_enrolment import NodeEnrolment
from contributor_client.offer_renewal import RENEW_SECONDS, OfferRenewal
from contributor_client.parking import Parking
from contributor_client.paths import NodePaths
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.signing import Sealed, Signer, unseal
from ratatouille.tasks.node import NodeData, NodeSettings
from registry.records import Info
from tests.contributor_client.test_work_lane import Scene
from tests.memory import registry_of

ADDRESS = "grpc://127.0.0.1:9290"


class Taking:
    """A registry that takes offers."""

    def __init__(self) -> None:
        self.taken: list[Offer] = []

    def info(self) -> Info:
        return Info(software="x", fleet="127.0.0.1:9291")

    def offer(self, sealed: Sealed) -> None:
        self.taken.append(unseal(sealed, Offer))


def test_a_node_whose_lane_is_refused_offers_at_the_usual_pace_and_at_once_when_it_is_heard(tmp_path: Path) -> None:
    scene, books, signer, now = Scene(tmp_path), Taking(), Signer.of_seed(b"n" * 32), 100.0
    settings, paths = NodeSettings(name="zoo", data=(NodeData(task="pets", path=tmp_path),)), NodePaths(tmp_path)
    registry, said = registry_of(books), list[str]()
    enrolment, parking = NodeEnrolment(registry, ADDRESS, paths, "zoo", signer), Parking(paths.parked)
    renewal = OfferRenewal(settings, signer, registry, (), parking, said.append, enrolment, lambda: now)
    scene.file.fail("what answers there refuses (HTTP 412)", 412)
    looks = 200
    for _ in range(looks):
        renewal.renew(scene.lane, (), ADDRESS)
        now += 0.5
    assert len(books.taken) == looks * 0.5 / RENEW_SECONDS
    assert not any(one.hears_orders for one in books.taken)
    scene.file.answer()
    renewal.renew(scene.lane, (), ADDRESS)
    assert books.taken[-1].hears_orders
    assert any("has joined" in one for one in said)
