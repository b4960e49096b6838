"""Who gets which order, as laws of a pure function."""

from coordinator.matching import match, stranded
from ratatouille.exchange.assignment import Cell, Compare, Evaluate, Mixture, Probe, Weighted
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.order import Order
from ratatouille.record import sha256
from ratatouille.tasks.holding import Holding


def name(text: str) -> str:
    return sha256(text.encode())


def offer(node: str, *data: str, trains: bool = True, revision: int | None = None) -> Offer:
    holdings = tuple(
        Holding(task=name("task"), task_name="task", counts={"clay": {"train": (1, 1)}}, fingerprint=name(one))
        for one in data
    )
    made = Offer(node=name(node), name=node, holdings=holdings, trains=trains, issued=0.0)
    return made if revision is None else made.model_copy(update={"revision": revision})


def several(offer: Offer, workers: int) -> Offer:
    return offer.model_copy(update={"workers": workers})


def probe(data: str, l2: float = 1.0) -> Order:
    work = Probe(
        architecture=name("a"),
        featurizer=name("f"),
        task=name("task"),
        fingerprint=name(data),
        image_size=8,
        domains=("clay",),
        l2=l2,
        iterations=1,
    )
    return Order(round="r", assignment=work)


def evaluate(data: str) -> Order:
    work = Evaluate(
        architecture=name("a"),
        featurizer=name("f"),
        head=name("h"),
        task=name("task"),
        fingerprint=name(data),
        image_size=8,
        cells=(Cell(domain="clay", split="all"),),
    )
    return Order(round="r", assignment=work)


def compare(data: str) -> Order:
    network = Mixture(featurizer=(Weighted(part=name("f")),), head=(Weighted(part=name("h")),))
    work = Compare(
        architecture=name("a"),
        task=name("task"),
        fingerprint=name(data),
        image_size=8,
        networks=(network,),
        cells=(Cell(domain="clay", split="all"),),
    )
    return Order(round="r", assignment=work)


def open_(*orders: Order) -> dict[str, Order]:
    return {order.assignment.digest: order for order in orders}


def everybody(*offers: Offer) -> set[str]:
    return {one.node for one in offers}


def test_an_order_goes_to_a_node_that_holds_the_data() -> None:
    offers = [offer("anna", "one"), offer("bo", "two")]
    orders = open_(probe("two"))
    assert match(orders, offers, everybody(*offers), {}, {}) == [(name("bo"), next(iter(orders)))]


def test_a_node_gets_one_order_to_work_on_and_one_to_queue() -> None:
    offers = [offer("anna", "one")]
    orders = open_(*(probe("one", l2) for l2 in (1, 2, 3, 4)))
    assert [work_id for _, work_id in match(orders, offers, everybody(*offers), {}, {})] == list(orders)[:2]


def test_replicas_share_the_work_and_idle_ones_come_first() -> None:
    offers = [offer("anna", "one"), offer("bo", "one")]
    orders = open_(*(probe("one", l2) for l2 in (1, 2, 3)))
    first = next(iter(orders))
    sent = match(orders, offers, everybody(*offers), {first: name("anna")}, {})
    assert [node for node, _ in sent] == [name("bo"), name("anna")]
    assert first not in [work_id for _, work_id in sent]


def test_an_idle_replica_is_given_what_waits_behind_a_busy_one() -> None:
    offers = [offer("anna", "one"), offer("bo", "one"), offer("carl", "two")]
    orders = open_(probe("one", 1), probe("one", 2))
    working, queued = orders
    in_flight, leased = dict.fromkeys(orders, name("anna")), {working: name("anna")}
    assert match(orders, offers, everybody(*offers), in_flight, leased) == [(name("bo"), queued)]
    # It has been sent to both now; nothing moves again while one of them is at it.
    assert match(orders, offers, everybody(*offers), in_flight | {queued: name("bo")}, leased) == []
    assert match(orders, offers, everybody(*offers), in_flight, leased | {queued: name("bo")}) == []


def test_work_that_somebody_holds_a_lease_on_is_adopted_and_not_sent_again() -> None:
    offers = [offer("anna", "one"), offer("bo", "one")]
    orders = open_(probe("one"))
    assert match(orders, offers, everybody(*offers), {}, {next(iter(orders)): name("anna")}) == []


def test_a_node_that_does_not_train_evaluates_and_compares_only() -> None:
    offers = [offer("elena", "one", trains=False)]
    orders = open_(probe("one"), evaluate("one"), compare("one"))
    assert [work_id for _, work_id in match(orders, offers, everybody(*offers), {}, {})] == list(orders)[1:]


def test_nodes_that_flower_cannot_reach_or_that_speak_another_dialect_get_nothing() -> None:
    orders = open_(probe("one"))
    assert match(orders, [offer("anna", "one")], set(), {}, {}) == []
    strangers = [offer("anna", "one", revision=99)]
    assert match(orders, strangers, everybody(*strangers), {}, {}) == []


def test_work_that_nobody_here_could_do_is_stranded() -> None:
    offers = [offer("anna", "one")]
    orders = open_(probe("one"), probe("two"))
    assert stranded(orders, offers, everybody(*offers)) == {list(orders)[1]}
    assert stranded(orders, offers, set()) == set(orders)


def test_a_node_that_speaks_another_dialect_keeps_no_work_from_being_stranded() -> None:
    # A closing round would wait for it for ever.
    offers = [offer("anna", "one", revision=99)]
    orders = open_(evaluate("one"))
    assert stranded(orders, offers, everybody(*offers)) == set(orders)


def test_what_one_node_failed_at_is_for_the_others_that_hold_the_data_even_if_they_are_busy() -> None:
    offers = [offer("anna", "one"), offer("bo", "one")]
    orders = open_(probe("one"))
    work_id = next(iter(orders))
    failures = {(name("anna"), work_id): 1}
    busy = {"x": name("bo"), "y": name("bo")}
    assert match(orders, offers, everybody(*offers), {}, {}, failures) == [(name("bo"), work_id)]
    assert match(orders, offers, everybody(*offers), busy, {}, failures) == []
    both = {**failures, (name("bo"), work_id): 1}
    assert match(orders, offers, everybody(*offers), busy, {}, both) == [(name("anna"), work_id)]


def test_a_node_with_several_devices_gets_an_order_for_each_and_one_more() -> None:
    orders = {f"work-{number}": probe("a", l2=number) for number in range(1, 6)}
    anna = several(offer("anna", "a"), 3)
    sent = match(orders, [anna], {anna.node}, {}, {})
    assert [work for _, work in sent] == ["work-1", "work-2", "work-3", "work-4"]
    at_work = {"work-1": anna.node, "work-2": anna.node}
    assert [work for _, work in match(orders, [anna], {anna.node}, at_work, at_work)] == ["work-3", "work-4"]


def test_an_order_goes_to_the_node_with_the_most_idle_devices() -> None:
    anna, bruno = several(offer("anna", "a"), 2), offer("bruno", "a")
    nodes = {anna.node, bruno.node}
    orders = {f"work-{number}": probe("a", l2=number) for number in range(1, 4)}
    sent = match(orders, [anna, bruno], nodes, {}, {})
    assert sent == [(anna.node, "work-1"), (anna.node, "work-2"), (bruno.node, "work-3")]


def test_a_free_device_relieves_another_node_of_what_it_has_queued() -> None:
    anna, bruno = several(offer("anna", "a"), 2), offer("bruno", "a")
    orders = {f"work-{number}": probe("a", l2=number) for number in range(1, 4)}
    in_flight = {"work-1": bruno.node, "work-2": bruno.node, "work-3": anna.node}
    leased = {"work-1": bruno.node, "work-3": anna.node}
    assert match(orders, [anna, bruno], {anna.node, bruno.node}, in_flight, leased) == [(anna.node, "work-2")]
    full = {**in_flight, "work-4": anna.node}
    assert match(orders, [anna, bruno], {anna.node, bruno.node}, full, {**leased, "work-4": anna.node}) == []


def test_a_node_of_the_member_that_made_a_version_counts_it_only_where_no_other_member_is_here() -> None:
    offers = [offer("anna", "one"), offer("bo", "one")]
    orders = open_(compare("one"))
    work_id = next(iter(orders))
    makers = {work_id: {name("anna")}}
    everyone = everybody(*offers)
    assert match(orders, offers, everyone, {}, {}, makers=makers) == [(name("bo"), work_id)]
    busy = {"x": name("bo"), "y": name("bo")}
    assert match(orders, offers, everyone, busy, {}, makers=makers) == []
    assert match(orders, offers[:1], everyone, {}, {}, makers=makers) == [(name("anna"), work_id)]
    refused = {(name("bo"), work_id)}
    assert match(orders, offers, everyone, {}, {}, barred=refused, makers=makers) == [(name("anna"), work_id)]


def test_the_maker_of_a_version_does_not_relieve_a_busy_node_that_is_to_count_it() -> None:
    offers = [offer("anna", "one"), offer("bo", "one"), offer("carl", "one")]
    orders = open_(compare("one"))
    work_id = next(iter(orders))
    in_flight = {"x": name("bo"), work_id: name("bo")}
    without = [one for one in offers if one.node != name("carl")]
    makers = {work_id: {name("anna")}}
    assert match(orders, without, everybody(*without), in_flight, {}, makers=makers) == []
    assert match(orders, offers, everybody(*offers), in_flight, {}, makers=makers) == [(name("carl"), work_id)]
