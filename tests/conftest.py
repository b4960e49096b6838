"""For all tests: signals, the number of processes, the order of files, the collector, what SQLAlchemy compiles once."""

import atexit
import os
import signal
import tempfile
from collections.abc import Generator

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from ratatouille.launch import importing

LONGEST = (
    "tests/coordinator/test_federation.py",
    "tests/hosts/test_round.py",
    "tests/registry/web/test_browser.py",
    "tests/test_storms.py",
    "tests/registry/audit/test_audit.py",
    "tests/coordinator/test_privacy.py",
    "tests/registry/test_contract.py",
    "tests/examples/test_notebooks.py",
    "tests/test_bad_input.py",
    "tests/coordinator/benchmark/test_benchmark.py",
    "tests/benchmarks/test_registry.py",
    "tests/coordinator/test_work_lane.py",
    "tests/registry/test_many_classes.py",
    "tests/coordinator/commands/test_analyse.py",
    "tests/test_roles.py",
)
"""The files that take longest, in the order in which they begin. Files that wait for processes of their own stand
beside files that keep a processor busy.
"""


def pytest_configure() -> None:
    """A shell starts background jobs with SIGINT ignored, `nohup` with SIGHUP; child processes inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    take_a_home()
    share_statements()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Each process of tests imports all of them. Looking for garbage meanwhile took as long as the imports."""
    with importing():
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests of federations wait for other processes for an eighth of their time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin first, so that at the end no worker waits for another one's long file."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.location[0], len(places)))


def take_a_home() -> None:
    """A home folder for all tests of this process, where services keep their owner's keys. It goes with the process."""
    folder = tempfile.TemporaryDirectory(prefix="ratatouille-home-")
    atexit.register(folder.cleanup)
    os.environ["RATATOUILLE_HOME"] = folder.name


def share_statements() -> None:
    """A statement that was compiled for one database serves all databases of the kind. SQLAlchemy compiles anew for
    each engine, which a process of the product makes once, and the tests a thousand times.
    """
    statements: LRUCache[object, object] = LRUCache(2000)

    def server(dialect: object) -> tuple[object, ...]:
        """What a compiled statement depends on."""
        return type(dialect), getattr(dialect, "server_version_info", None)

    for kind in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        setattr(kind, "__eq__", lambda one, other: server(one) == server(other))  # noqa: B010
        setattr(kind, "__hash__", lambda one: hash(server(one)))  # noqa: B010

    @event.listens_for(Engine, "engine_connect")
    def _share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=statements)
