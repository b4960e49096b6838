"""A device is tried before it is counted on: what cannot work is said in one sentence, what works is timed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from ratatouille.errors import Refusal
from ratatouille.tasks.data import LocalData, open_data
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from ratatouille.training.asked_work import work_of
from ratatouille.training.network import describe
from ratatouille.training.preflight import DeviceWork, Trial, TrialProcess, sentences_of, try_out
from ratatouille.training.timing import attempt
from ratatouille.weights.architecture import Architecture
from tests.events import events
from tests.ratatouille.recipes.simulation import a_round

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> LocalData:
    folder = write_synthetic("shapes", tmp_path_factory.mktemp("data"), each=4, styles=("day", "night"))
    return open_data(synthetic_tasks()["shapes"], DataSettings(path=folder, group="stem"))


@pytest.fixture(scope="module")
def network() -> Architecture:
    return describe("test_resnet", input_size=32)


def works(data: LocalData, network: Architecture, size: int = 32, trains: bool = True) -> tuple[DeviceWork, ...]:
    (work,) = work_of([data], [], network.digest, lambda _: network, trains)
    return (work.model_copy(update={"image_size": size}),)


def tried(device: str, work: tuple[DeviceWork, ...]) -> list[str]:
    """What `try_out` says, without a process of its own, which would import torch once more."""
    trial = Trial(device=device, work=work)
    return sentences_of(trial, attempt(trial))


def test_a_step_and_a_count_are_timed_on_the_device(data: LocalData, network: Architecture) -> None:
    (sentence,) = tried("cpu", works(data, network))
    assert "test_resnet at 32 pixels (no round has asked yet): a step on one domain takes " in sentence
    assert "s, and a round says how many a training has; " in sentence, "no time that nobody has asked for"
    assert f"counting {len(data)} images takes about 1 s" in sentence


def test_a_node_that_does_not_train_takes_no_step(data: LocalData, network: Architecture) -> None:
    (sentence,) = tried("cpu", works(data, network, trains=False))
    assert "step" not in sentence
    assert "counting" in sentence


def test_a_question_longer_than_a_pipe_holds_is_asked_whole(data: LocalData, network: Architecture) -> None:
    (work,) = works(data, network, trains=False)
    (sentence,) = try_out("cpu", (work.model_copy(update={"source": "a long list " * 20_000}),), seconds=60.0)
    assert "counting" in sentence


@pytest.mark.parametrize(
    ("device", "size", "match"),
    [("cuda", 32, "no device cuda here, only cpu"), ("cpu", 1, "test_vit cannot work on 1 × 1")],
)
def test_what_cannot_work_is_refused_in_one_sentence(data: LocalData, device: str, size: int, match: str) -> None:
    import torch

    if device == "cuda" and torch.cuda.is_available():
        assert tried(device, ())
        return
    with pytest.raises(Refusal, match=match) as caught:
        tried(device, works(data, describe("test_vit", input_size=160), size))
    assert caught.value.code == {"cuda": "device-missing", "cpu": "image-size"}[device]
    assert "Traceback" not in str(caught.value)


def test_without_a_released_version_only_the_device_is_tried() -> None:
    with events("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn") as processes:
        assert try_out("cpu", ()) == ["device cpu works; there is no released version yet to try with"]
    assert not processes, "no process is needed to know that there is a processor"
    (sentence,) = tried("auto", ())
    assert sentence.startswith("device c")
    with pytest.raises(Refusal, match="there is no device 'abacus'"):
        tried("abacus", ())


def test_what_the_latest_round_about_a_task_asks_is_tried(data: LocalData, network: Architecture) -> None:
    round = a_round("").model_copy(update={"task": data.task.digest, "name": "spring"})
    other = a_round("").model_copy(update={"name": "elsewhere"})
    specs = [other.to_json().decode(), "{}", round.to_json().decode()]
    (work,) = work_of([data], specs, None, lambda _: network, True)
    assert (work.source, work.image_size, work.steps, work.batch) == ("round spring", 64, 160, 24)
    assert work_of([data], [], None, lambda _: network, True) == ()


def test_a_step_is_as_large_as_the_round_makes_it_and_small_where_no_round_is_known(
    data: LocalData, network: Architecture
) -> None:
    assert data.holding.domains == ("day", "night")
    (guessed,) = work_of([data], [], network.digest, lambda _: network, True)
    assert guessed.batch == 32
    round = a_round("").model_copy(update={"task": data.task.digest, "held_out": ("night",)})
    (asked,) = work_of([data], [round.to_json().decode()], None, lambda _: network, True)
    assert (asked.batch, asked.steps) == (12, 160)
    round = round.model_copy(update={"held_out": ("day", "night")})
    (counted,) = work_of([data], [round.to_json().decode()], None, lambda _: network, True)
    assert counted.steps == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_trial_ends_with_whoever_asked_for_it(number: int, data: LocalData, network: Architecture) -> None:
    (work,) = works(data, network)
    long = work.model_copy(update={"batch": 4096, "image_size": 512})
    program = textwrap.dedent("""
        import sys
        from ratatouille.training.preflight import DeviceWork, try_out
        try_out("cpu", [DeviceWork.from_json(sys.stdin.buffer.read())])
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as owner:
        assert owner.stdin is not None
        owner.stdin.write(long.to_json())
        owner.stdin.close()
        until = time.monotonic() + 60
        while not (trials := psutil.Process(owner.pid).children()) and time.monotonic() < until:
            time.sleep(0.05)
        (trial,) = trials
        time.sleep(1)
        os.kill(owner.pid, number)
    _, alive = psutil.wait_procs([trial], timeout=60)
    for one in alive:
        one.kill()
    assert alive == []


def test_a_trial_that_takes_too_long_or_is_not_wanted_any_more_is_broken_off(
    data: LocalData, network: Architecture
) -> None:
    with pytest.raises(Refusal, match=r"did not do a step of the work within 0 s"):
        try_out("cpu", works(data, network), seconds=0.0)
    assert try_out("cpu", works(data, network), stop=lambda: True) == []


def test_asking_imports_no_torch() -> None:
    program = "import ratatouille.training.preflight, sys; print([m for m in ('torch', 'timm') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_a_guess_from_a_few_images_comes_before_the_rest(data: LocalData, network: Architecture) -> None:
    trial = Trial(device="cpu", work=works(data, network))
    answer = attempt(trial, guess=True)
    assert (answer["memory"], answer["timed"][0]["guess"]) == (None, True), "a few images do not tell the memory"
    (sentence,) = sentences_of(trial, answer)
    assert sentence.endswith("(guessed from a few images)")


def test_a_caller_who_cannot_wait_gets_the_guess(data: LocalData, network: Architecture) -> None:
    (work,) = works(data, network)
    slow = work.model_copy(update={"batch": 20_000})
    with TrialProcess("cpu") as process:

        def it_has_answered() -> bool:  # for the first time: the whole steps then take minutes
            read = getattr(process._process, "_fileobj2output", {})
            return any(read.get(process._process.stdout, ()))

        answer = process.answer(Trial(device="cpu", work=(slow,), guess=True), 600.0, it_has_answered)
    assert answer["timed"][0]["guess"] is True
