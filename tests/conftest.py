"""For all tests: what signals mean, and which files begin first."""

import signal

import pytest

LONGEST = (
    "tests/coordinator/test_federation.py",
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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin first, so that at the end no worker waits for another one's long file."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.location[0], len(places)))
