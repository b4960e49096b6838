"""What a round that nobody works on says of itself."""

from collections.abc import Sequence

from coordinator.commands.follow import Silence
from coordinator.progress import PATIENCE_SECONDS, Working, waits_for
from ratatouille.exchange.membership import Offer
from registry.records import Holder
from tests.coordinator.test_matching import evaluate, name, offer, probe
from tests.memory import registry_of

FLEET = "127.0.0.1:9291"
ORDERS = {"one": probe("plants"), "two": evaluate("sketches")}
HERE = [offer("anna", "plants"), offer("elena", "sketches", trains=False)]


def deaf(one: Offer) -> Offer:
    return one.model_copy(update={"hears_orders": False})


def test_a_round_that_somebody_works_on_or_that_has_nothing_open_waits_for_nothing() -> None:
    assert waits_for(ORDERS, HERE, True, FLEET, "running") == ""
    assert waits_for({}, HERE, False, FLEET, "running") == ""


def test_without_a_coordinator_it_waits_for_one() -> None:
    assert "no coordinator is up" in waits_for(ORDERS, HERE, False, None, "running")


def test_a_requested_round_waits_for_its_turn() -> None:
    assert "waits for its turn" in waits_for(ORDERS, HERE, False, FLEET, "requested")


def test_data_that_nobody_who_is_here_holds_is_named() -> None:
    said = waits_for(ORDERS, HERE[:1], False, FLEET, "running")
    assert "nobody who is here can do" in said
    assert name("sketches")[:12] in said
    assert name("plants")[:12] not in said


def test_the_nodes_with_the_data_are_named_with_its_task_and_what_keeps_them() -> None:
    def holders(fingerprints: Sequence[str]) -> list[Holder]:
        assert list(fingerprints) == [name("sketches")]
        nodes = ((HERE[1].node, "elena"), ("f" * 64, "bruno"), ("e" * 64, "carla"))
        return [
            Holder(
                node=node,
                name=called,
                fingerprint=fingerprints[0],
                task_name="art",
                here=False,
                revoked=called == "carla",
            )
            for node, called in nodes
        ]

    said = waits_for({"one": probe("sketches")}, HERE, False, FLEET, "running", holders)
    assert said.endswith(
        f"node elena (key {HERE[1].node[:10]}), which holds data of task art, counts only, "
        "node bruno (key ffffffffff), which holds data of task art, is away, "
        "node carla (key eeeeeeeeee), which holds data of task art, was revoked"
    )


def test_work_without_steps_is_said_without_a_number() -> None:
    assert Working(node="anna", doing="counts", done=0, total=0).sentence == "anna: counts"
    assert Working(node="anna", doing="trains", done=3, total=9).sentence == "anna: trains 3/9"


def test_a_node_that_only_counts_does_not_count_as_one_that_trains() -> None:
    said = waits_for({"one": probe("sketches")}, HERE, False, FLEET, "running")
    assert "nobody who is here can do" in said


def test_nodes_that_hear_no_orders_are_named_with_where_orders_come_from() -> None:
    said = waits_for(ORDERS, [deaf(one) for one in HERE], False, FLEET, "running")
    assert said == f"the nodes that could work are not connected: anna, elena hear no orders from {FLEET}"
    said = waits_for({"one": probe("plants")}, [deaf(HERE[0])], False, FLEET, "running")
    assert said == f"the nodes that could work are not connected: anna hears no orders from {FLEET}"


def test_with_nodes_that_hear_it_is_starting() -> None:
    assert "is starting" in waits_for(ORDERS, [HERE[0], deaf(HERE[1])], False, FLEET, "running")


class Rounds:
    """The registry and the driver of a round, as far as they are asked."""

    fleet = FLEET
    orders = ORDERS

    def gather(self) -> "Rounds":
        return self

    def info(self) -> "Rounds":
        return self

    def offers(self) -> list[Offer]:
        return []

    def holders(self, fingerprints: Sequence[str]) -> list[Holder]:
        return []


def test_the_reason_is_said_after_ten_seconds_of_silence_and_once_a_minute() -> None:
    now, scene = [0.0], Rounds()
    silence = Silence(lambda: now[0])
    said = []
    for second in range(75):
        now[0] = float(second)
        if reason := silence.reason(scene, registry_of(scene), "running", at_work=False):  # type: ignore[arg-type]
            said.append((second, reason))
    assert [second for second, _ in said] == [PATIENCE_SECONDS, PATIENCE_SECONDS + 60]
    now[0] = 80.0
    assert silence.reason(scene, registry_of(scene), "running", at_work=True) == ""  # type: ignore[arg-type]
    now[0] = 85.0
    assert silence.reason(scene, registry_of(scene), "running", at_work=False) == ""  # type: ignore[arg-type]
