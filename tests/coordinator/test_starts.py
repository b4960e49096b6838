"""Starts that a registry has already: which versions are fit, and a rehearsal that nobody holds auxiliary data for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from contributor_client.commands.foundation import enter_foundation
from coordinator import inputs
from coordinator.driver import RoundDriver
from coordinator.inputs import ancestors
from coordinator.rehearsal import RehearsalSite, offer_all, rehearse
from coordinator.settings import RoundSettings, read_round_settings, resolve
from ratatouille.analysis.report import report
from ratatouille.errors import Refusal
from ratatouille.exchange.membership import OfferWithdrawal
from ratatouille.exchange.signing import Signer
from ratatouille.recipes.round import Round
from ratatouille.tasks.node import read_node_settings
from ratatouille.weights.canonical import open_part
from registry.exports.folders.importing import push_parts, read_checkpoint
from registry.maintainer import Maintainer
from registry.opening import open_registry
from registry.records import LogQuery
from registry.services.registry import Registry
from tests.coordinator.federation import SIZE, Ground
from tests.ratatouille.cli.call import call

STEPS = 4


class Kitchen:
    """A registry in which a round with auxiliary tasks was rehearsed; then the node that holds their data left."""

    def __init__(self, folder: Path) -> None:
        self.ground = Ground(folder, STEPS)
        self.registry: Registry = open_registry(folder / "registry")
        self.ground.enter(self.registry)
        self.first = self.rehearsed("first", "anna", "chiara", "elena", recipes=["ratatouille"])
        self.leave()
        self.pointed, self.round_ = self.trained("shapes-pointed"), self.trained("shapes-round")
        self.maintainer = Maintainer(self.registry, Signer.open(folder / "key"))
        self.maintainer.release(self.pointed, "pointed")

    def site(self, *nodes: str) -> RehearsalSite:
        """The registry with the data of some nodes."""
        opened = tuple(read_node_settings(self.ground.node_file(node)) for node in nodes)
        return RehearsalSite(str(self.ground.folder / "registry"), opened, self.ground.folder)

    @contextmanager
    def anna(self) -> Iterator[None]:
        """The node that holds auxiliary data is here for a while."""
        offer_all(self.registry, self.site("anna"))
        yield
        self.leave()

    def leave(self) -> None:
        """It leaves."""
        signer = Signer.open(self.site("anna").folder / "anna" / "key")
        self.registry.work.withdraw_offer(signer.seal(OfferWithdrawal(node=signer.node, issued=time.time())))

    def settings(self, name: str, **wishes: Any) -> RoundSettings:
        """A round.toml, read."""
        return read_round_settings(self.ground.write_round(name, STEPS, **wishes))

    def rehearsed(self, name: str, *nodes: str, **wishes: Any) -> Round:
        """A round, run to its end on the data of these nodes."""
        return rehearse(self.settings(name, **wishes), self.site(*nodes))

    def resolved(self, **wishes: Any) -> Round:
        """What a round with these wishes is now."""
        return resolve(self.settings("wish", recipes=["ratatouille"], **wishes), self.registry)

    def trained(self, task: str) -> str:
        """The latest version that was fine-tuned on a task."""
        return self.registry.versions.log(LogQuery(kind="fine_tune", task=task))[0].id


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    made = Kitchen(tmp_path_factory.mktemp("starts"))
    yield made
    made.registry.close()


def test_starts_are_named_by_alias_or_by_task_and_id_and_each_counts_once(kitchen: Kitchen) -> None:
    round = kitchen.resolved(starts=[kitchen.round_[:12], "pointed", kitchen.round_])
    assert [one.name for one in round.starts] == ["pointed", f"shapes-round-{kitchen.round_[:8]}"]
    assert [one.start.version for one in round.starts] == [kitchen.pointed, kitchen.round_]
    assert kitchen.resolved(starts=["pointed", kitchen.round_]) == round
    # A way to a version is no name of it.
    assert kitchen.resolved(starts=["pointed~0"]).starts[0].name == f"shapes-pointed-{kitchen.pointed[:8]}"


def test_all_ancestors_are_found_however_few_one_answer_has(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    final = RoundDriver(kitchen.first, kitchen.registry, 0.0).gather().outcomes[0].final
    assert final is not None
    whole = ancestors(kitchen.registry, str(final.version))
    assert {kitchen.pointed, kitchen.round_, kitchen.first.foundation.version} < whole.keys()
    monkeypatch.setattr(inputs, "_DEPTH", 1)
    assert ancestors(kitchen.registry, str(final.version)) == whole


def test_a_round_that_uses_no_auxiliary_start_is_the_same_round_with_them(kitchen: Kitchen) -> None:
    plain = kitchen.settings("plain", recipes=["soup"])
    assert resolve(plain.model_copy(update={"starts": ("pointed",)}), kitchen.registry) == resolve(
        plain, kitchen.registry
    )


def test_a_rehearsal_starts_from_what_is_there_without_any_node_that_holds_auxiliary_data(kitchen: Kitchen) -> None:
    with pytest.raises(Refusal, match="no node that is here trains on the auxiliary task 'shapes-pointed'"):
        kitchen.resolved(auxiliaries=["shapes-pointed"])
    before = {one.id for one in kitchen.registry.versions.log(LogQuery(kind="fine_tune"))}
    round = kitchen.rehearsed("later", "chiara", "elena", starts=["pointed"], recipes=["soup", "ratatouille"])
    new = [one for one in kitchen.registry.versions.log(LogQuery(kind="fine_tune")) if one.id not in before]
    # Of soup's three runs one is the first round's (run 1 of ratatouille, from the foundation); the run from `pointed`
    # is the first round's too, for it is the same question.
    assert len(new) == 2
    found = RoundDriver(round, kitchen.registry, 0.0).gather()
    assert found.done
    members = found.outcomes[1].members
    parents = [kitchen.registry.versions.show(str(one.version)).entry.version.parents[0].version for one in members]
    assert parents == [round.foundation.version, kitchen.pointed, round.foundation.version]
    assert members[1] == RoundDriver(kitchen.first, kitchen.registry, 0.0).gather().outcomes[0].members[1]
    assert report(round, found.outcomes).starts == ("foundation", "pointed")
    assert kitchen.registry.versions.verify(str(found.outcomes[1].final and found.outcomes[1].final.version)).ok


def test_starts_go_beside_tasks_that_are_trained(kitchen: Kitchen) -> None:
    wishes: dict[str, Any] = {"starts": [kitchen.round_], "auxiliaries": ["shapes-pointed"]}
    with kitchen.anna():
        round = kitchen.rehearsed("both", "anna", "chiara", "elena", recipes=["ratatouille"], **wishes)
    assert [one.name for one in round.pool] == ["shapes-pointed", f"shapes-round-{kitchen.round_[:8]}"]
    # The first round had these two starts in this order, and trained on both: nothing is new but the round.
    first = RoundDriver(kitchen.first, kitchen.registry, 0.0).gather().outcomes[0]
    assert RoundDriver(round, kitchen.registry, 0.0).gather().outcomes[0] == first


def test_a_version_that_is_not_fit_is_refused_with_the_reason(kitchen: Kitchen, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="nowhere"):
        kitchen.resolved(starts=["nowhere"])
    with pytest.raises(Refusal, match=r"start 'latest' has the foundation's own featurizer"):
        kitchen.resolved(starts=["latest"])
    on_target = kitchen.trained("shapes")
    with pytest.raises(Refusal, match=rf"start '{on_target}' was trained on the target 'shapes' \(version"):
        kitchen.resolved(starts=[on_target])
    with pytest.raises(
        Refusal, match=r"trained on day, which this round holds out .* `auxiliary_domains = \"lenient\"`"
    ):
        kitchen.resolved(starts=["pointed"], held_out=["day"], evaluate_held_out=False)


def test_a_lenient_round_takes_a_start_that_saw_a_held_out_domain_of_another_task(kitchen: Kitchen) -> None:
    wishes: dict[str, Any] = {"held_out": ["day"], "evaluate_held_out": False, "auxiliary_domains": "lenient"}
    # Nobody trains on sketch here; what is looked at is that the start is no obstacle.
    with pytest.raises(Refusal, match="no node that is here trains on sketch"):
        kitchen.resolved(starts=["pointed"], **wishes)


def test_a_start_from_other_weights_than_the_foundation_s_is_refused(kitchen: Kitchen, tmp_path: Path) -> None:
    import timm
    import torch
    from safetensors.torch import save_file as save_torch

    torch.manual_seed(1)
    network = timm.create_model("test_resnet", num_classes=0)
    file = tmp_path / "other.safetensors"
    save_torch({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    found = enter_foundation(kitchen.registry, Signer.open(tmp_path / "key"), tmp_path, str(file), "test_resnet", SIZE)
    with pytest.raises(Refusal, match="does not come from the foundation's weights"):
        kitchen.resolved(starts=[str(found.version)])


def test_a_start_may_come_from_an_ancestor_of_the_foundation(kitchen: Kitchen) -> None:
    # As after a release: the foundation moved on, and older auxiliary versions are still fit.
    released = kitchen.trained("shapes")
    round = kitchen.resolved(foundation=released, starts=["pointed"])
    assert round.foundation.version == released
    assert [one.name for one in round.starts] == ["pointed"]


def test_a_tag_that_is_called_as_an_auxiliary_task_of_the_round_is_refused(kitchen: Kitchen) -> None:
    kitchen.maintainer.tag(kitchen.round_, "shapes-pointed")
    assert kitchen.resolved(starts=["shapes-pointed"]).starts[0].start.version == kitchen.round_
    with kitchen.anna(), pytest.raises(Refusal, match="'shapes-pointed' is an auxiliary task and a name in `starts`"):
        kitchen.resolved(starts=["shapes-pointed"])


def test_commands_say_which_starts_a_round_takes_from_the_registry(kitchen: Kitchen) -> None:
    file = kitchen.ground.write_round("said", STEPS, recipes=["ratatouille"], starts=["pointed"], auxiliaries=[])
    remote = ["--remote", kitchen.ground.folder / "registry"]
    assert "starts from the registry: pointed" in " ".join(call("round", "plan", file, *remote).out.split())
    assert "start pointed" in call("check", file, *remote).out
    reported = " ".join(call("round", "report", "later", *remote).out.split())
    assert "Runs of ratatouille start from foundation, pointed." in reported


def test_a_checkpoint_that_was_trained_elsewhere_and_pushed_is_a_start(kitchen: Kitchen, tmp_path: Path) -> None:
    registry = kitchen.registry
    version = registry.versions.show("pointed").entry.version
    architecture = registry.definitions.architecture(version.architecture)
    arrays = dict(open_part(registry.weights.fetch(version.featurizer), architecture.featurizer))
    arrays["bn1.weight"] = arrays["bn1.weight"] * np.float32(1.01)
    save_file(arrays, tmp_path / "mine.safetensors")
    parts = read_checkpoint(registry, tmp_path / "mine.safetensors", "latest", None, tmp_path)
    pushed, _ = push_parts(registry, Signer.open(tmp_path / "key"), parts)
    (start,) = kitchen.resolved(starts=[str(pushed.version)]).starts
    assert (start.start.version, start.start.featurizer) == (pushed.version, pushed.featurizer)
