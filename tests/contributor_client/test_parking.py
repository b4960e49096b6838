"""What a node rests from, for how long, and what of it leaves the machine."""

import os
import stat
from pathlib import Path

from contributor_client.parking import PARKED_SECONDS, Parking
from ratatouille.errors import Refusal, Unreachable
from ratatouille.failure import Failure

DATA = "d" * 64
DAMAGED = Refusal("the image '/home/anna/smith.png' is damaged", code="image-damaged", images=2)
DIED = Unreachable("the worker ended 3 times", code="worker-died", attempts=3)


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_bad_data_parks_one_holding_and_a_full_disk_the_node(tmp_path: Path) -> None:
    parking = Parking(tmp_path, Time())
    parking.park(DAMAGED, DATA)
    assert [place.sentence for place in parking.active(DATA)] == [str(DAMAGED)]
    assert parking.active("e" * 64) == []
    parking.park(OSError(28, "No space left on device", "/home/anna/x"), DATA)
    assert [place.failure.code for place in parking.active("e" * 64)] == ["disk-full"]


def test_an_offer_says_codes_and_seconds_and_no_words(tmp_path: Path) -> None:
    clock = Time()
    parking = Parking(tmp_path, clock)
    parking.park(DAMAGED, DATA)
    clock.now += 100
    (offered,) = parking.offered()
    assert offered.failure == Failure(code="image-damaged", counts={"images": 2})
    assert (offered.fingerprint, offered.seconds) == (DATA, PARKED_SECONDS - 100)
    assert b"smith" not in offered.to_json()


def test_parking_ends_after_its_time_by_success_and_by_a_new_start(tmp_path: Path) -> None:
    clock = Time()
    parking = Parking(tmp_path, clock)
    parking.park(DAMAGED, DATA)
    clock.now += PARKED_SECONDS
    assert parking.active() == []
    parking.park(DAMAGED, DATA)
    parking.free(DATA)
    assert parking.active() == []
    parking.park(DAMAGED, DATA)
    parking.clear()
    assert parking.active() == []


def test_workers_that_die_again_and_again_rest_twice_as_long_each_time(tmp_path: Path) -> None:
    clock = Time()
    parking = Parking(tmp_path, clock)
    rests = []
    for _ in range(7):
        made = parking.park(DIED, "")
        assert made is not None
        assert made.fingerprint is None
        rests.append(made.until - clock.now)
        clock.now = made.until
    assert rests == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]


def test_work_that_cannot_be_done_anywhere_parks_nobody(tmp_path: Path) -> None:
    parking = Parking(tmp_path)
    assert parking.park(Refusal("the training diverged", code="training-diverged"), DATA) is None
    assert parking.park(Unreachable("no registry answers"), DATA) is None
    assert parking.active() == []


def test_the_sentences_are_for_the_owner_of_the_node_only(tmp_path: Path) -> None:
    Parking(tmp_path / "parked").park(DAMAGED, DATA)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "parked", *(tmp_path / "parked").iterdir())]
    assert modes == [0o700, 0o600]
    assert os.listdir(tmp_path / "parked") == [f"{DATA}.json"]
