"""Signals set an event and nothing else; who does not end in time is ended."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ratatouille.processes.ending import ENDING

SERVICE = textwrap.dedent("""
    import sys, threading, time
    from ratatouille.processes import stop_on_signals
    stop = stop_on_signals({seconds}, {second})
    print("ready", flush=True)
    {work}
    print("ended in order", flush=True)
""")


def service(work: str, seconds: float = 20.0, second: str = "") -> subprocess.Popen[str]:
    program = SERVICE.format(seconds=seconds, work=work, second=second)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", ENDING)
def test_each_signal_that_ends_a_service_sets_the_event(number: signal.Signals) -> None:
    process = service("stop.wait()")
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "ended in order\n")


def test_thousands_of_signals_while_the_event_is_waited_for_lose_nothing_and_stop_nothing(tmp_path: Path) -> None:
    # A service whose handler sets the event waits for ever here, within a second.
    process = service(
        f"from pathlib import Path\nwhile not Path({str(tmp_path / 'enough')!r}).exists(): stop.wait(1e-6)"
    )
    for number in range(3000):
        process.send_signal(ENDING[number % 3])
    (tmp_path / "enough").touch()
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "ended in order\n")


def test_a_service_that_does_not_end_is_ended_with_a_sentence() -> None:
    process = service("time.sleep(600)", seconds=1)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"process {process.pid} did not end within 1 seconds" in said
    assert time.monotonic() - began > 0.9


def test_a_signal_is_heard_while_the_main_thread_is_busy_in_a_library() -> None:
    # A handler of Python runs between two instructions of the main thread only, and that thread is in a library.
    hear = "threading.Thread(target=lambda: (stop.wait(), print('heard', flush=True)), daemon=True).start()"
    work = f"import ctypes; {hear}"
    process = service(f"{work}; ctypes.CDLL(None).sleep(3); ctypes.CDLL(None).sleep(3)")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert said == "heard\nended in order\n"


def test_what_nohup_protects_goes_on_when_its_terminal_closes(tmp_path: Path) -> None:
    program = SERVICE.format(seconds=20, work="stop.wait()", second="")
    with (tmp_path / "said").open("w") as out:
        process = subprocess.Popen(["nohup", sys.executable, "-c", program], stdout=out, stderr=out)
        while "ready" not in (tmp_path / "said").read_text():
            time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 0


def test_a_second_ctrl_c_ends_at_once_where_that_was_wanted() -> None:
    process = service("stop.wait(); print('saving', flush=True); time.sleep(600)", second="second_ends=True")
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # a terminal may send several: these two are one
    assert process.stdout.readline() == "saving\n"
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
