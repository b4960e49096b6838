"""One supervised program: started through a reaper, restarted with back-off if wished, ended in good order.

A program that ends at once is restarted after 0.25, 0.5, 1, 2 … 30 seconds. One that had run for a minute, or of which
its owner saw that it works, starts again at 0.25. Any exit counts, also code 0: a Flower node ends itself that way when
its server forgot it. What a program does and when it is ready is left to its owner.

Programs are this installation's: `script`, `module` and `service` begin their commands. Flower finds its own children
by name, so `environment_with_scripts` puts the folder of our interpreter's scripts first on PATH, also where the
virtual environment was never activated.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.proxies import without_loopback

_log = logging.getLogger(__name__)
_REAPER = Path(__file__).with_name("reaper.py")
_SHORTEST_PAUSE, _LONGEST_PAUSE, _STEADY = 0.25, 30.0, 60.0


@dataclass(frozen=True)
class Program:
    """A program to run: a name for people, the command, where its output goes, and what to do when it ends."""

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    restart: bool = False
    grace: float = 5.0
    """Seconds between the request to end and the end by force."""
    log_bytes: int = 4 * 2**20
    """The log keeps between one and two times this much."""


class Child:
    """A running program. Use it as a context manager, or call `stop`; if this process is killed, the reaper ends it."""

    def __init__(self, program: Program, after_restart: Callable[[], bool] = lambda: False) -> None:
        """`after_restart` is called, in a thread of ours, each time the program has been started again.

        It may wait until the program works, and then returns True: what is killed often comes back at once each time.
        """
        self.program = program
        self._after_restart = after_restart
        self.starts = 0
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name=f"watch {program.name}", daemon=True)

    def start(self) -> Child:
        """Start the program and return at once."""
        self._launch()
        self._watcher.start()
        return self

    @property
    def running(self) -> bool:
        """True while the process lives; False also in the pause before a restart."""
        process = self._process
        return process is not None and process.poll() is None

    @property
    def given_up(self) -> bool:
        """True when the program has ended and will not be started again."""
        return not self.running and (self._stopping.is_set() or not self.program.restart)

    @property
    def exit_code(self) -> int | None:
        """How the last process ended; None while one runs."""
        return None if self._process is None else self._process.poll()

    def stop(self) -> None:
        """Ask the program to end, wait, and make it end after its grace; returns when its family is gone."""
        process = self._ask_to_end()
        if process is not None:
            process.wait()
        if self._watcher.is_alive():
            self._watcher.join()

    def _ask_to_end(self) -> subprocess.Popen[bytes] | None:
        with self._changed:
            asked, process = self._stopping.is_set(), self._process
            self._stopping.set()
        if process is not None and not asked and process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return process

    def log_tail(self, lines: int = 12) -> str:
        """The end of the log, to show when a start fails."""
        try:
            return "\n".join(self.program.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def __enter__(self) -> Child:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self) -> bool:
        """Start one process, unless `stop` was called in the meantime."""
        program = self.program
        # -I and -S: the reaper needs the standard library only, and no installed package may change what it does.
        command = [sys.executable, "-I", "-S", str(_REAPER), str(os.getpid()), str(program.grace)]
        command += [str(program.log), str(program.log_bytes), *program.command]
        with self._changed:
            if self._stopping.is_set():
                return False
            # Ctrl-C in a terminal goes to a whole group of processes. It must reach the owner only, which then ends its
            # children in order.
            self._process = subprocess.Popen(  # noqa: S603
                command,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            self.starts += 1
        return True

    def _watch(self) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            since = time.monotonic()
            assert self._process is not None
            self._process.wait()
            if not self.program.restart or self._stopping.is_set():
                return
            pause = _SHORTEST_PAUSE if time.monotonic() - since > _STEADY else pause
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                if not self._launch():
                    return
                if self._after_restart():
                    pause = _SHORTEST_PAUSE
            except Exception:  # such as no memory for a process now; the supervisor must go on
                _log.exception("%s was not started again in good order", self.program.name)


def stop_all(children: Iterable[Child]) -> None:
    """Stop several programs together: they need the time of the slowest, not the sum."""
    asked = list(children)
    for child in asked:
        child._ask_to_end()
    for child in asked:
        child.stop()


def script(name: str) -> str:
    """Path of a console script of this installation.

    Raises:
        Refusal: when the package that brings it is not installed here.
    """
    path = _folder() / name
    if not path.exists():
        raise Refusal(
            f"{name} is not installed beside {sys.executable}; "
            "install model-ratatouille[coordinator] or model-ratatouille[node]"
        )
    return str(path)


def module(name: str) -> list[str]:
    """The beginning of a command that runs one of our modules with this interpreter.

    -P: nothing in the folder where the command happens to be called, such as a folder named `registry`, may stand in
    for what is installed.
    """
    return [sys.executable, "-P", "-m", name]


def service(name: str, postponed: Iterable[str] = ()) -> list[str]:
    """The beginning of a command that runs a module's `main` through `ratatouille.launch`, which starts it sooner.

    `postponed` are classes, as `module:class`, whose modules the service does not need.
    """
    options = [word for one in postponed for word in ("--postpone", one)]
    return [*module("ratatouille.launch"), *options, "-m", name]


def environment_with_scripts(**more: str) -> dict[str, str]:
    """Our environment with the scripts' folder first on PATH, no proxy for loopback, and `more` on top."""
    path = os.pathsep.join([str(_folder()), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **without_loopback(os.environ), "PATH": path, **more}


def _folder() -> Path:
    # Not resolved: in a virtual environment the interpreter is a link, and the scripts lie beside the link.
    return Path(sys.executable).parent
