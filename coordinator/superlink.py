"""Flower's server of the work lane: SuperLink and executor, two supervised processes on loopback, and a state folder.

The SuperLink listens on loopback only, behind a guard, because Flower's control API lets anyone who reaches it run code
(`flower_superlink`). Behind a front door it speaks TLS and answers only nodes whose keys are registered
(`flower_keys`); without one it does neither. The executor starts a ServerApp for each run (`executor`). The database
keeps nodes and runs over a restart. `control` has the calls to the SuperLink, `app` what a ServerApp does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from coordinator.control import Control
from coordinator.environment import KEY, LOGS, NODE_KEYS, key_file
from coordinator.loopback_tls import LoopbackTls, loopback_tls
from ratatouille.errors import Refusal, Unreachable
from ratatouille.processes import (
    Child,
    Program,
    environment_with_scripts,
    refuse_taken_port,
    service,
    stop_all,
    wait_for_url,
)
from ratatouille.processes.ports import LOOPBACK
from ratatouille.processes.secret import Secret

_log = logging.getLogger(__name__)
UNUSED = (
    "flwr.supercore.object_store.sql_object_store:SqlObjectStore",
    "flwr.server.superlink.linkstate.sql_linkstate:SqlLinkState",
)
"""What Flower imports for the SuperLink: SQLAlchemy. The executor and its ServerApps open no database."""
_READY_SECONDS = 60.0
_ATTEMPTS = 3
"""How often the runs that a former SuperLink left are to be stopped."""


@dataclass(frozen=True)
class SuperLinkSettings:
    """Settings of a SuperLink: its folder, its port, and the bundles that it accepts."""

    folder: Path
    port: int
    restart: bool = True
    accepted_bundles: tuple[str, ...] = ()
    """Hashes of the bundles whose runs are started; empty means ours (`exchange.bundle.accepted_bundles`)."""
    public: bool = False
    """Whether a front door stands before it: then it speaks TLS, and nodes need a registered key."""

    @property
    def logs(self) -> Path:
        """The folder of logs: `superlink.log`, and one file for each round."""
        return self.folder / "logs"

    @property
    def secret(self) -> Path:
        """The file with the secret that SuperLink, executor, ServerApps and our `Control` share."""
        return self.folder / "flower" / "control.secret"

    @property
    def address(self) -> str:
        """What local processes connect to, as host:port."""
        return f"{LOOPBACK}:{self.port}"

    @cached_property
    def tls(self) -> LoopbackTls | None:
        """The certificate for loopback, made at the first start; None without a front door."""
        return loopback_tls(self.folder / "flower" / "tls") if self.public else None


class SuperLink:
    """A running SuperLink. When this process ends, even by kill -9, the SuperLink and its ServerApps end too."""

    def __init__(self, settings: SuperLinkSettings) -> None:
        self.settings = settings
        self.control = Control(settings.address, Secret.open(settings.secret), settings.tls)
        self._child = Child(_superlink(settings), after_restart=self._superlink_is_back)
        self._began = 0.0
        self._executor = Child(_executor(settings), after_restart=self._executor_is_back)

    def start(self) -> SuperLink:
        """Launch and wait; raises what `launch` and `wait_until_ready` do."""
        self.launch()
        return self.wait_until_ready()

    def launch(self) -> None:
        """Start the processes and return at once.

        Raises:
            Refusal: when the port is taken.
        """
        refuse_taken_port(self.settings.port, "the SuperLink", "--superlink-port")
        self._began = time.time()
        self._child.start()
        self._executor.start()

    def wait_until_ready(self, stop: threading.Event | None = None) -> SuperLink:
        """Wait until it answers, and stop the runs that a former SuperLink left unfinished.

        It waits no longer once `stop` is set.

        Raises:
            Unreachable: when the SuperLink does not come up; with the end of its log.
        """
        try:
            stopping = threading.Event() if stop is None else stop
            self._stop_old_runs(self._began, lambda: not (self._child.given_up or stopping.is_set()))
        except Unreachable as error:
            self.stop()
            if stop is not None and stop.is_set():
                return self
            raise Unreachable(
                f"Flower's SuperLink did not start; the end of {self._child.program.log}:\n{self._child.log_tail()}"
            ) from error
        return self

    def _stop_old_runs(self, began: float, alive: Callable[[], bool]) -> None:
        """Wait, while `alive` is true, until the SuperLink answers, and stop the runs from before it began.

        They have no ServerApp any more, but Flower would call them running for another minute, and go on handing out
        their messages.
        """
        tls = self.settings.tls
        url = f"{'https' if tls else 'http'}://{self.settings.address}/health"
        context = None if tls is None else tls.context()
        wait_for_url(url, _READY_SECONDS, alive, context=context)
        self.control.stop_unfinished_runs(before=began)

    def _superlink_is_back(self) -> bool:
        """Whether it answers. One that ended again is not waited for: it is started again when this returns."""
        return self._stop_old_runs_after_restart(lambda: self._child.running)

    def _executor_is_back(self) -> bool:
        self._stop_old_runs_after_restart(lambda: not self._child.given_up)
        return False  # an answer of the SuperLink says nothing of the executor

    def _stop_old_runs_after_restart(self, alive: Callable[[], bool]) -> bool:
        """Stop the runs whose ServerApp ended, since the SuperLink or the executor was started again.

        Returns:
            Whether that was done, while `alive` was true.
        """
        began = time.time()
        for _ in range(_ATTEMPTS):
            try:
                self._stop_old_runs(began, alive)
                return True
            except (Unreachable, Refusal) as error:
                _log.warning("the runs from before the restart are not stopped yet: %s", error)
            if not alive():
                break
        return False

    def stop(self) -> None:
        """End the SuperLink and every ServerApp of it."""
        self.control.close()
        stop_all([self._executor, self._child])


def _superlink(settings: SuperLinkSettings) -> Program:
    command = [*service("coordinator.flower_superlink"), "--secret", str(settings.secret)]
    if settings.tls is None:
        command += ["--insecure"]
    else:
        certificate, key = str(settings.tls.certificate), str(settings.tls.key)
        command += ["--ssl-certfile", certificate, "--ssl-keyfile", key, "--ssl-ca-certfile", certificate]
        command += ["--enable-supernode-auth"]
    command += ["--host", LOOPBACK, "--port", str(settings.port), "--isolation", "process"]
    command += ["--database", str(settings.folder / "superlink.db"), "--disable-runtime-dependency-installation"]
    log = settings.logs / "superlink.log"
    return Program("superlink", tuple(command), log, _environment(settings), restart=settings.restart)


def _executor(settings: SuperLinkSettings) -> Program:
    command = [*service("coordinator.executor", UNUSED), "--runtime", settings.address]
    command += ["--secret", str(settings.secret)]
    command += [word for one in settings.accepted_bundles for word in ("--accept", one)]
    command += [] if settings.tls is None else ["--certificate", str(settings.tls.certificate)]
    log = settings.logs / "executor.log"
    return Program("executor", tuple(command), log, _environment(settings), restart=settings.restart)


def _environment(settings: SuperLinkSettings) -> dict[str, str]:
    home = settings.folder / "flower"
    home.mkdir(parents=True, exist_ok=True)
    return environment_with_scripts(
        FLWR_HOME=str(home),
        FLWR_TELEMETRY_ENABLED="0",
        FLWR_DISABLE_UPDATE_CHECK="1",
        **{LOGS: str(settings.logs), KEY: str(key_file(settings.folder))},
        **({NODE_KEYS: "1"} if settings.public else {}),
    )
