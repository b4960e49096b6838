"""How a round ended for one node, and what a joining node says of a namesake."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from contributor_client.ended_rounds import EndedRounds
from contributor_client.node_enrolment import NodeEnrolment
from contributor_client.offer_renewal import OfferRenewal
from contributor_client.parking import Parking
from contributor_client.paths import NodePaths
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from ratatouille.tasks.node import NodeData, NodeSettings
from registry.presentation.history import contributor
from registry.records import RoundRecord
from registry.services.local import LocalRegistry
from tests.registry.world import World


def test_a_round_that_ended_is_said_once_with_what_was_taken_and_what_was_not(tmp_path: Path) -> None:
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        world = World(registry, tmp_path, Signer.open(tmp_path / "key"))
        other = World(registry, tmp_path, Signer.open(tmp_path / "other"))
        world.define()
        start = world.probed()
        registry.rounds.request_round(
            RoundRecord(id="spring-1", name="spring", spec="{}", state="requested", created=time.time(), changed=1.0)
        )
        own = [world.work(*world.fine_tune(start, seed, round="spring-1")) for seed in (1, 2)]
        others = other.work(*other.fine_tune(start, 3, round="spring-1"))
        taken = Combination(parents=tuple(Parent(version=str(one.version)) for one in (own[0], others)))
        average = registry.work.combine(taken, "spring-1")
        ended, idle = EndedRounds(registry, world.signer.node), EndedRounds(registry, "f" * 64)
        assert ended.sentences(["spring-1", "evaluations"]) == []
        assert registry.rounds.move_round("spring-1", ["requested"], "done")
        (said,) = ended.sentences(["spring-1", "evaluations"])
        assert said == (
            f"round spring is done: 1 of this node's 2 trainings is in {str(average.version)[:10]} (uniform); 1 in none"
        )
        assert ended.sentences(["spring-1"]) == []
        assert idle.sentences(["spring-1"]) == ["round spring is done: nothing of this node was needed"]


@pytest.mark.parametrize("name", ["zoo", "aquarium"])
def test_a_namesake_is_warned_of_and_told_apart_by_its_key(tmp_path: Path, name: str) -> None:
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        first = World(registry, tmp_path, Signer.open(tmp_path / "first"))
        first.define()
        made = first.tuned(first.probed(), 1)
        second = World(registry, tmp_path, Signer.open(tmp_path / "second"))
        said: list[str] = []
        settings = NodeSettings(name=name, data=(NodeData(task="pets", path=tmp_path),))
        parking = Parking(tmp_path / "parked")
        enrolment = NodeEnrolment(registry, str(tmp_path / "registry"), NodePaths(tmp_path), name, second.signer)
        OfferRenewal(settings, second.signer, registry, (), parking, said.append, enrolment).warn_of_namesakes()
        second.offer(name=name)
        entry = registry.versions.show(str(made.version)).entry
        keys = [one.signer.node[:10] for one in (first, second)]
        if name == "zoo":
            assert len(said) == 1
            assert said[0].startswith(
                f"warning: another node is called zoo too (key {keys[0]}); this one has the key {keys[1]}"
            )
            assert contributor(entry) == f"zoo ({keys[0]})"
        else:
            assert said == []
            assert contributor(entry) == "zoo"
