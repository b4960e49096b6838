"""Real processes: they end with their owner, come back when asked, and their logs stay small."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ratatouille.errors import Refusal, Unreachable
from ratatouille.processes import Child, Program, free_port, reaper, refuse_taken_port, script, wait_for_url

ROOT = Path(__file__).parents[3]

# A program like Flower's SuperLink: it starts a child in a session of its own, whose parent then ends.
FAMILY = textwrap.dedent("""
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in sys.argv else signal.SIG_DFL)
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        with open(sys.argv[1] + ".orphan", "w") as file:
            file.write(str(os.getpid()))
        time.sleep(600)
    with open(sys.argv[1] + ".child", "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)
""")


def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def pids(stem: Path) -> list[int]:
    files = [Path(f"{stem}.child"), Path(f"{stem}.orphan")]
    assert until(lambda: all(file.exists() and file.read_text() for file in files))
    return [int(file.read_text()) for file in files]


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return state.strip() not in ("", "Z")


@pytest.mark.parametrize("temper", ["gentle", "stubborn"])
def test_kill_minus_nine_of_the_owner_leaves_no_descendant_behind(tmp_path: Path, temper: str) -> None:
    owner_program = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from ratatouille.processes import Child, Program
        command = (sys.executable, "-c", {FAMILY!r}, {str(tmp_path / "family")!r}, {temper!r})
        Child(Program("family", command, Path({str(tmp_path / "log")!r}), grace=0.5)).start()
        time.sleep(600)
    """)
    owner = subprocess.Popen(python("-c", owner_program), env={**os.environ, "PYTHONPATH": str(ROOT)})
    family = pids(tmp_path / "family")
    owner.kill()
    owner.wait()
    assert until(lambda: not any(alive(pid) for pid in family))


def test_stop_ends_also_what_the_program_had_started(tmp_path: Path) -> None:
    with Child(Program("family", python("-c", FAMILY, str(tmp_path / "family")), tmp_path / "log", grace=2)) as child:
        family = pids(tmp_path / "family")
        assert child.running
    assert not any(alive(pid) for pid in family)
    assert child.exit_code == 128 + signal.SIGTERM


def test_when_the_program_ends_by_itself_its_orphans_end_too(tmp_path: Path) -> None:
    with Child(Program("family", python("-c", FAMILY, str(tmp_path / "family")), tmp_path / "log")) as child:
        first, orphan = pids(tmp_path / "family")
        os.kill(first, signal.SIGKILL)
        assert until(lambda: child.given_up)
        assert not alive(orphan)
        assert child.exit_code == 128 + signal.SIGKILL


def test_a_program_that_exits_with_code_0_is_started_again(tmp_path: Path) -> None:
    with Child(Program("brief", python("-c", "print('hello')"), tmp_path / "log", restart=True)) as child:
        assert until(lambda: child.starts >= 2)
    assert child.given_up
    starts = child.starts
    time.sleep(1.2)
    assert child.starts == starts
    assert "hello" in child.log_tail()


class Pauses(threading.Event):
    """Notes how long each pause before a restart would be."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return super().wait(0.01)


@pytest.mark.parametrize(("works", "seconds"), [(False, [0.25, 0.5, 1.0, 2.0]), (True, [0.25] * 4)])
def test_pauses_grow_unless_the_program_worked_after_its_restart(
    works: bool, seconds: list[float], tmp_path: Path
) -> None:
    brief = Program("brief", python("-c", ""), tmp_path / "log", restart=True)
    child, pauses = Child(brief, after_restart=lambda: works), Pauses()
    child._stopping = pauses
    with child:
        assert until(lambda: len(pauses.seconds) >= 4)
    assert pauses.seconds[:4] == seconds


def test_the_program_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    import threading

    child = Child(Program("sleeper", python("-c", "import time; time.sleep(600)"), tmp_path / "log"))
    starter = threading.Thread(target=child.start)
    starter.start()
    starter.join()
    time.sleep(0.7)
    assert child.running
    child.stop()


def test_ctrl_c_in_a_terminal_reaches_the_owner_only(tmp_path: Path) -> None:
    owner_program = textwrap.dedent(f"""
        import signal, sys, time
        from pathlib import Path
        from ratatouille.processes import Child, Program
        signal.signal(signal.SIGINT, lambda *_: None)
        command = (sys.executable, "-c", "import time; time.sleep(600)")
        child = Child(Program("sleeper", command, Path({str(tmp_path / "log")!r}))).start()
        print("up", flush=True)
        sys.stdin.readline()
        time.sleep(1)
        print(child.running, flush=True)
        child.stop()
    """)
    with subprocess.Popen(
        python("-c", owner_program),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        time.sleep(0.5)
        os.killpg(owner.pid, signal.SIGINT)
        assert owner.communicate("go on\n")[0] == "True\n"


def test_a_failure_after_a_restart_does_not_end_the_watch(tmp_path: Path) -> None:
    def fail() -> bool:
        raise ValueError("in bad order")

    brief = Program("brief", python("-c", ""), tmp_path / "log", restart=True)
    with Child(brief, after_restart=fail) as child:
        assert until(lambda: child.starts >= 3)


def test_descendants_are_found_beside_processes_with_any_name() -> None:
    program = "import time; open('/proc/self/comm', 'wb').write(b') \\xff\\xc3'); print(flush=True); time.sleep(600)"
    with subprocess.Popen(python("-c", program), stdout=subprocess.PIPE) as odd:
        assert odd.stdout is not None
        odd.stdout.readline()
        assert odd.pid in reaper.descendants(os.getpid())
        odd.kill()


def test_a_log_keeps_the_last_words_and_stays_within_its_bound(tmp_path: Path) -> None:
    chatter = "for i in range(20000): print(f'line {i}')"
    with Child(Program("chatty", python("-c", chatter), tmp_path / "log", log_bytes=50_000)) as child:
        assert until(lambda: child.given_up)
    assert child.log_tail(1) == "line 19999"
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 100_000


def test_a_command_that_does_not_exist_says_so_in_its_log(tmp_path: Path) -> None:
    with Child(Program("nothing", ("/no/such/program",), tmp_path / "log")) as child:
        assert until(lambda: child.given_up)
    assert child.exit_code == 127
    assert "/no/such/program" in child.log_tail()


def test_a_taken_port_is_refused_with_the_setting_that_changes_it() -> None:
    import socket

    port = free_port()
    refuse_taken_port(port, "the SuperLink", "--port")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(Refusal, match=rf"port {port} .* the SuperLink .* --port"):
            refuse_taken_port(port, "the SuperLink", "--port")


def test_waiting_for_an_address_ends_early_when_nobody_will_answer() -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match="did not answer"):
        wait_for_url(f"http://127.0.0.1:{free_port()}/", seconds=200, alive=lambda: False)
    assert time.monotonic() - began < 150


def test_a_script_that_is_not_installed_is_refused_with_what_to_install() -> None:
    assert Path(script("flower-superlink")).exists()
    with pytest.raises(Refusal, match="not installed"):
        script("no-such-script")
