"""Who is not asked what after which failure, as laws of a table of facts with a clock."""

from coordinator.matching import ATTEMPTS, PARKED_SECONDS, Failures
from ratatouille.exchange.membership import Offer, Parked
from ratatouille.failure import Failure
from tests.coordinator.test_matching import name, offer

ANNA, QUESTION, DATA = name("anna"), name("question"), name("one")
DISK, DAMAGED = Failure(code="disk-full"), Failure(code="image-damaged")
DIVERGED, DIED = Failure(code="training-diverged"), Failure(code="worker-died")


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def held(offers: list[Offer]) -> list[str]:
    """Fingerprints that nodes may still be asked about."""
    return [holding.fingerprint for one in offers for holding in one.holdings]


def test_a_question_that_a_node_cannot_answer_is_not_asked_of_it_again_and_others_are() -> None:
    failures, offers = Failures(), [offer("anna", "one", "two")]
    failures.note(ANNA, 7, QUESTION, DATA, DIVERGED)
    assert failures.barred == {(ANNA, QUESTION)}
    assert held(failures.ready(offers)) == [name("one"), name("two")]


def test_data_that_cannot_be_read_parks_that_holding_and_a_broken_node_all_of_them() -> None:
    offers = [offer("anna", "one", "two"), offer("bo", "one")]
    failures = Failures()
    failures.note(ANNA, 7, QUESTION, DATA, DAMAGED)
    assert held(failures.left(offers)) == [name("two"), name("one")]
    failures.note(ANNA, 7, QUESTION, DATA, DISK)
    assert held(failures.left(offers)) == [name("one")]
    assert failures.barred == set()


def test_a_parked_node_is_asked_again_when_it_says_that_it_is_mended() -> None:
    failures, mended = Failures(), offer("anna", "one")
    failures.note(ANNA, 7, QUESTION, DATA, DISK)
    failures.look([mended], {ANNA: 7})  # this offer may be older than the failure
    assert held(failures.left([mended])) == []
    parked = mended.model_copy(update={"parked": (Parked(failure=DISK, seconds=600.0),)})
    failures.look([parked], {ANNA: 7})
    assert held(failures.left([parked])) == []
    failures.look([], {ANNA: 7})
    failures.look([mended], {ANNA: 7})
    assert held(failures.left([mended])) == [DATA]


def test_a_node_that_was_started_again_begins_anew() -> None:
    failures, offers = Failures(), [offer("anna", "one")]
    failures.note(ANNA, 7, QUESTION, DATA, DISK)
    failures.note(ANNA, 7, name("other"), DATA, DIVERGED)
    failures.look(offers, {ANNA: 8})
    assert held(failures.ready(offers)) == [DATA]
    assert (failures.barred, failures.counts) == (set(), {})
    assert failures.reasons(offers, QUESTION, DATA) == {}


def test_a_node_that_says_nothing_of_it_is_parked_for_the_stated_time() -> None:
    clock = Time()
    failures, offers = Failures(clock), [offer("anna", "one")]
    failures.note(ANNA, 7, QUESTION, DATA, DISK)
    clock.now = PARKED_SECONDS - 1
    failures.look(offers, {ANNA: 7})
    assert held(failures.left(offers)) == []
    clock.now = PARKED_SECONDS
    failures.look(offers, {ANNA: 7})
    assert held(failures.left(offers)) == [DATA]


def test_what_may_pass_is_tried_again_after_pauses_that_grow_and_three_times() -> None:
    clock = Time()
    failures, offers = Failures(clock), [offer("anna", "one")]
    for attempt in range(ATTEMPTS):
        assert held(failures.ready(offers)) == [DATA]
        assert (ANNA, QUESTION) not in failures.barred
        failures.note(ANNA, 7, QUESTION, DATA, DIED)
        assert held(failures.ready(offers)) == []
        assert held(failures.left(offers)) == [DATA]  # it is not given up
        clock.now += 2.0 ** (attempt + 1)
    assert failures.barred == {(ANNA, QUESTION)}


def test_a_pause_is_over_when_the_node_has_done_some_work() -> None:
    failures, offers = Failures(Time()), [offer("anna", "one")]
    failures.note(ANNA, 7, QUESTION, DATA, DIED)
    failures.succeeded(ANNA)
    assert held(failures.ready(offers)) == [DATA]


def test_what_a_node_says_itself_of_being_parked_counts_from_the_first_look() -> None:
    resting = offer("anna", "one").model_copy(update={"parked": (Parked(failure=DIED, seconds=30.0),)})
    broken = offer("bo", "one", "two").model_copy(
        update={"parked": (Parked(failure=DAMAGED, fingerprint=DATA, seconds=600.0),)}
    )
    failures = Failures()
    assert held(failures.ready([resting, broken])) == [name("two")]
    assert held(failures.left([resting, broken])) == [name("one"), name("two")]
    assert failures.reasons([resting, broken], QUESTION, DATA) == {ANNA: DIED, name("bo"): DAMAGED}
