"""One round over a real federation, undisturbed and disturbed, against the same round rehearsed without Flower."""

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import tomli_w

from benchmarks.digests import Weights, weights_of
from contributor_client.activity import ActivityFile
from contributor_client.lane_file import LANE
from contributor_client.paths import NodePaths
from coordinator.commands.running import settings_of
from coordinator.driver import RoundDriver
from coordinator.rehearsal import RehearsalSite, rehearse, rehearse_all
from coordinator.settings import read_round_settings
from ratatouille.exchange.assignment import FineTune, KeepBest
from ratatouille.exchange.signing import Signer
from ratatouille.outbox import OUTBOX, sent_messages
from ratatouille.recipes.round import Round
from ratatouille.recipes.studies import study_named
from ratatouille.tasks.node import read_node_settings
from registry.maintainer import Maintainer
from registry.opening import open_registry
from registry.records import LogQuery
from registry.services.registry import Registry
from registry.web.page import Query
from registry.web.pages import live
from tests.coordinator.federation import NODES, Federation, Ground, wait_until
from tests.ratatouille.cli.call import call
from tests.registry.conftest import own_server as own_server
from tests.registry.postgresql_server import PostgresqlServer

PROXY_VARIABLES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
DEAD = "http://127.0.0.1:9"
"""A proxy that does not answer."""
STEPS, PAIR, LONG = 20, 200, 500
"""Steps of a run, of one that goes on while another one is looked at, and of one that is killed in the middle."""
STUDY, STUDY_RUNS = "connectivity", 2


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    ground = Ground(tmp_path_factory.mktemp("ground"), STEPS)
    seldom = {"evaluate_every": LONG // 6, "runs": 2}
    ground.write_round("long", LONG, recipes=["soup"], protocol=ground.protocol(LONG) | seldom)
    ground.write_round("replica", STEPS // 2, recipes=["soup"])
    two = {"evaluate_every": PAIR // 2, "runs": 2}  # long enough for both to be seen at work at one time
    ground.write_round("server", PAIR, recipes=["soup"], evaluate_held_out=False, protocol=ground.protocol(PAIR) | two)
    return ground


@pytest.fixture(scope="module")
def stage(ground: Ground) -> RehearsalSite:
    """A registry for rehearsals, with the data of all nodes."""
    folder = ground.folder / "rehearsal"
    ground.enter(open_registry(folder / "registry"))
    nodes = tuple(read_node_settings(ground.node_file(name)) for name in NODES)
    return RehearsalSite(str(folder / "registry"), nodes, folder / "home" / "rehearsal")


@pytest.fixture(scope="module")
def rehearsed(ground: Ground, stage: RehearsalSite) -> dict[str, Weights]:
    """By a round's name: its digests when it is rehearsed. One process rehearses all rounds."""
    settings = [read_round_settings(ground.folder / f"{name}.toml") for name in ("round", "long", "replica", "server")]
    settings.append(settings_of(ground.round, STUDY_RUNS, None, recipes=study_named(STUDY).recipes, analyses=(STUDY,)))
    rounds = rehearse_all(settings, stage)
    registry = open_registry(stage.url)
    assert {registry.rounds.round(round.id).state for round in rounds} == {"done"}
    return {round.name: weights_of(registry, round) for round in rounds[:4]}


@pytest.fixture(scope="module")
def federation(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """One federation for this file: whoever kills a node starts it again. All proxies that it hears of are dead."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in PROXY_VARIABLES:
            patch.setenv(variable, DEAD)
            patch.setenv(variable.upper(), DEAD)
        for variable in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
            patch.setenv(variable, "intranet.example")
        with Federation(ground, tmp_path_factory.mktemp("federation")) as federation:
            yield federation


def test_the_work_id_names_the_question() -> None:
    question = FineTune(
        architecture="0" * 64,
        featurizer="1" * 64,
        head="2" * 64,
        task="3" * 64,
        fingerprint="4" * 64,
        image_size=8,
        domains=("day",),
        seed=1,
        steps=2,
        warmup=0,
        batch=1,
        learning_rate=1e-3,
        weight_decay=0.0,
        dropout=0.0,
        evaluate_every=1,
        keep=KeepBest(),
    )
    assert question.digest == FineTune.model_validate(question.model_dump()).digest
    others: list[dict[str, object]] = [
        {"fingerprint": "5" * 64},
        {"revision": question.revision + 1},
        {"steps": 3},
        {"seed": 2},
        {"trial": 1},
        {"repeat": 1},
        {"numerics": "float16"},
        {"learning_rate": 2e-3},
    ]
    digests = {question.model_copy(update=change).digest for change in others}
    assert len(digests | {question.digest}) == len(others) + 1


def test_a_round_on_postgresql_outlives_a_restart_of_its_database_and_two_workers_of_one_node_do_it(
    ground: Ground, tmp_path: Path, own_server: PostgresqlServer, request: pytest.FixtureRequest
) -> None:
    table = {"task": "shapes", "path": "data/shapes", "domains": ["day", "night"], "group": "stem"}
    twin = {"name": "twin", "device": ["cpu", "cpu"], "data": [table]}
    ground.node_file("twin").write_text(tomli_w.dumps(twin))
    folder = tmp_path / "coordinator" / "registry"
    folder.mkdir(parents=True)
    (folder / "registry.toml").write_text(f'database = "{own_server.new()}"')
    with Federation(ground, tmp_path, ["twin"]) as federation:
        assert federation.registry.info().database.startswith("PostgreSQL")
        assert not (folder / "registry.db").exists()
        round = federation.request(ground.folder / "server.toml")
        wait_until(lambda: len(federation.registry.versions.log()) > 1, 120, "a first answer is there")
        own_server.pause()
        own_server.resume()
        shown: set[str] = set()
        wait_until(lambda: len(places_with_two(federation, round, shown)) == 3, 240, "both are shown")
        record = federation.finish(round)
        assert record.state == "done", record.reason
        workers = NodePaths(tmp_path / "nodes" / "twin").of_workers(2)
        assert all(ActivityFile(one.activity).read().answered for one in workers), "both did something"
        assert weights_of(federation.registry, round) == request.getfixturevalue("rehearsed")["server"]
        for entry in federation.registry.versions.log(limit=1000):
            assert federation.registry.versions.verify(entry.id).ok


def places_with_two(federation: Federation, round: Round, shown: set[str]) -> set[str]:
    """The places that have shown that the only node has two leases."""
    remote = ("--remote", federation.address, "--json")
    (node,) = call("node", "status", *remote).json["nodes"]
    working = call("round", "status", round.id, *remote).json["standing"]["workers"]
    page = live.page(live.Feed(federation.registry), federation.registry, Query({}, {})).view
    assert isinstance(page, live.LivePage)
    now = {
        "node status": len(node["leases"]) == 2,
        "round status": len(working) == 1 and "; " in working[0]["doing"],
        "page": len(page.work) == 2 and page.nodes[0].busy == 2,
    }
    shown |= {place for place, both in now.items() if both}
    return shown


def test_a_federated_round_and_its_rehearsal_make_the_same_weights(
    ground: Ground, federation: Federation, request: pytest.FixtureRequest
) -> None:
    round = federation.request(ground.round)
    rehearsed = request.getfixturevalue("rehearsed")  # while the nodes are at work
    record = federation.finish(round)
    assert record.state == "done", record.reason
    assert weights_of(federation.registry, round) == rehearsed["round"]
    versions = [entry.id for entry in federation.registry.versions.log(limit=1000)]
    # Everybody can recompute the averages and check every signature.
    for version in versions:
        assert federation.registry.versions.verify(version).ok
    # Asked again, nothing is done again.
    again = federation.request(ground.round)
    assert again.id == round.id
    assert federation.registry.rounds.round(round.id).state == "done"
    assert [entry.id for entry in federation.registry.versions.log(limit=1000)] == versions


def test_all_that_the_registry_has_of_a_node_is_in_the_log_of_what_left_that_node(federation: Federation) -> None:
    worked, made, left = 0, set[str | None](), set[str | None]()
    for name in NODES:
        folder = federation.home / "nodes" / name
        key = Signer.open(folder / "key").node
        sent = list(sent_messages(folder / OUTBOX))
        given = federation.registry.work.submissions([key])
        digests = {one.sha256 for one in sent}
        assert {one.receipt for one in given} <= digests, name
        own = [one.version for one in federation.registry.versions.log(LogQuery(nodes=(key,)), limit=1000)]
        made |= {one.head for one in own} | {one.featurizer for one in own if one.rule.name == "fine_tune"}
        left |= {one.sha256 for one in sent if one.kind == "weights"}
        assert {"offer", "introduction", "flower", "question"} <= {one.kind for one in sent}, name
        if given:
            assert {"lease", "end of lease", "hint"} <= {one.kind for one in sent}, name
        # it is not flooded: offers come every few seconds, calls of Flower several times a second
        assert len(sent) < 100 + 10 * len(given), name
        worked += bool(given)
    assert worked > 1
    # What the registry has already is not sent: weights of another node, averages and foundations that a run kept.
    others = [one.version for one in federation.registry.versions.log(limit=1000)]
    assert made <= left | {one.featurizer for one in others if one.rule.name in ("combine", "import")}


def test_an_analysis_in_a_federation_counts_what_its_rehearsal_counts(
    ground: Ground,
    stage: RehearsalSite,
    federation: Federation,
    rehearsed: dict[str, Weights],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RATATOUILLE_HOME", str(stage.folder.parent))
    monkeypatch.chdir(tmp_path)
    nodes = [word for name in NODES for word in ("--rehearse", ground.node_file(name))]
    words = ("analyse", STUDY, ground.round, "--runs", STUDY_RUNS, "--json")
    alone = call(*words, "--remote", stage.url, *nodes).json
    monkeypatch.setenv("RATATOUILLE_HOME", str(federation.home))
    together = call(*words, "--remote", federation.address).json
    assert together["result"] == alone["result"]
    assert together["sentence"] == alone["sentence"]


def test_kills_of_node_coordinator_and_registry_lose_nothing_and_change_no_bit(
    ground: Ground, federation: Federation, rehearsed: dict[str, Weights]
) -> None:
    registry = federation.registry
    round = federation.request(ground.folder / "long.toml")

    # A node in the middle of an assignment.
    wait_until(lambda: at_work(registry, "chiara", LONG // 6), 120, "chiara is in the middle of a run")
    federation.kill("chiara")
    done = max(lease.done for lease in registry.work.leases())
    federation.start_node("chiara")

    # The coordinator, with the registry's service and the SuperLink, while nodes are at work.
    wait_until(lambda: at_work(registry, "chiara", done + 10), 120, "chiara is at work again")
    answered = {entry.work_id: entry.id for entry in registry.versions.log(limit=1000)}
    federation.kill("coordinator")
    federation.start_coordinator()

    # A node that its owner pauses, resumes and interrupts in the middle of a run.
    wait_until(lambda: at_work(registry, "chiara", done + 20), 120, "chiara is at work again")
    folder = str(federation.home / "nodes" / "chiara")
    paused = call("node", "pause", "--folder", folder)
    assert re.match(rf"node chiara .*: paused; saved at step [0-9]+ of {LONG} \(", paused.out), paused
    assert "chiara" not in {offer.name for offer in registry.work.offers()}
    assert psutil.Process(federation.processes["chiara"].pid).children(recursive=True) == []
    assert call("node", "resume", "--folder", folder).code == 0
    wait_until(lambda: at_work(registry, "chiara", done + 30), 120, "chiara is at work again")
    federation.processes["chiara"].send_signal(signal.SIGINT)
    assert federation.processes.pop("chiara").wait(60) == 0
    said = (federation.home / "chiara.log").read_text()
    again = f"`ratatouille node join {ground.node_file('chiara')}` goes on there\nnode chiara has left\n"
    assert re.search(rf"saved at step [0-9]+ of {LONG} \(.*\); {re.escape(again)}", said), said
    federation.start_node("chiara")

    record = federation.finish(round)
    assert record.state == "done", record.reason
    log = federation.home / "chiara.log"
    wait_until(lambda: f"round {round.name} is done: " in log.read_text(), 60, "chiara hears how the round ended")
    assert "of this node's 2 trainings are in " in log.read_text()
    assert weights_of(registry, round) == rehearsed["long"]
    # What had been acknowledged is what the history has, and nobody worked on anything twice.
    history = {entry.work_id: entry.id for entry in registry.versions.log(limit=1000)}
    assert answered.items() <= history.items()
    assert [event for event in registry.rounds.events(limit=10_000) if event.kind in ("duplicate", "rejected")] == []
    for version in history.values():
        assert registry.versions.verify(version).ok


def at_work(registry: Registry, name: str, least: int) -> bool:
    """Whether a node has done at least so many steps of a training."""
    keys = {offer.node for offer in registry.work.offers() if offer.name == name}
    return any(lease.node in keys and lease.total == LONG and lease.done >= least for lease in registry.work.leases())


def test_a_node_whose_images_changed_is_parked_and_its_replica_does_the_work(
    ground: Ground, federation: Federation, rehearsed: dict[str, Weights]
) -> None:
    data = shutil.copytree(ground.folder / "data" / "shapes", ground.folder / "copied")
    table = {"task": "shapes", "path": "copied", "domains": ["day", "night"], "group": "stem"}
    ground.node_file("dora").write_text(tomli_w.dumps({"name": "dora", "device": "cpu", "data": [table]}))
    federation.start_node("dora")
    names = federation.registry.work.offers
    wait_until(lambda: "dora" in {offer.name for offer in names()}, 120, "dora is there")
    next((data / "day").rglob("*.png")).unlink()
    record = federation.finish(round := federation.request(ground.folder / "replica.toml"))
    assert record.state == "done", record.reason
    assert weights_of(federation.registry, round) == rehearsed["replica"]
    (dora,) = (offer for offer in federation.registry.work.offers() if offer.name == "dora")
    assert [one.failure.code for one in dora.parked] == ["data-changed"]
    assert {entry.node for entry in federation.registry.versions.log(limit=1000)}.isdisjoint({dora.node})
    assert "parked: " in (federation.home / "dora.log").read_text()
    federation.kill("dora")


def test_all_of_this_happens_on_loopback_though_every_variable_names_a_dead_proxy(federation: Federation) -> None:
    """A SuperNode and its children get the proxy of their one address, and loopback has none."""
    straight = 0
    for process in federation.processes.values():
        seen = 0
        for member in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # one of a round that is over may just have ended
                environment = member.environ()
                expected = "" if LANE in environment else DEAD
                assert {environment[variable] for variable in PROXY_VARIABLES} == {expected}
                straight += LANE in environment
                seen += 1
        assert seen > 3
    assert straight > 0


def test_a_deadline_ends_a_round_that_an_absent_node_would_hang(ground: Ground, federation: Federation) -> None:
    """The node that holds auxiliary data goes, and stays away for the test after this one too."""
    changed = {"auxiliary_steps": LONG}  # soup's runs are the first round's, and ratatouille's are new
    protocol = ground.protocol(STEPS) | changed
    recipes = ["soup", "ratatouille"]
    file = ground.write_round("short", STEPS, deadline_minutes=0.25, min_runs=1, recipes=recipes, protocol=protocol)
    round = federation.request(file)
    federation.kill("anna")
    record = federation.finish(round)
    assert record.state == "done", record.reason
    # Of ratatouille's three runs, the one that starts from the foundation remains.
    found = {outcome.recipe: outcome for outcome in RoundDriver.of(record, federation.registry).gather().outcomes}
    assert len(found["soup"].members) == 3
    assert found["soup"].final is not None
    assert "ratatouille" in record.reason


def test_a_round_that_starts_from_an_auxiliary_version_needs_nobody_who_holds_that_data(
    ground: Ground, stage: RehearsalSite, federation: Federation, rehearsed: dict[str, Weights], tmp_path: Path
) -> None:
    offers = federation.registry.work.offers
    wait_until(lambda: "anna" not in {offer.name for offer in offers()}, 60, "anna's offer has ended")
    for registry in (federation.registry, open_registry(stage.url)):
        trained = registry.versions.log(LogQuery(kind="fine_tune", task="shapes-round"))[0].id
        Maintainer(registry, Signer.open(tmp_path / "key")).release(trained, "grown")
    file = ground.write_round("later", STEPS, recipes=["ratatouille"], starts=["grown"], auxiliaries=[])
    later = federation.request(file)
    alone = rehearse(read_round_settings(file), stage)
    record = federation.finish(later)
    assert record.state == "done", record.reason
    assert [one.name for one in later.pool] == ["grown"]
    assert weights_of(federation.registry, later) == weights_of(open_registry(stage.url), alone)
