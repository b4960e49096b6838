"""The history page by page: every round once, in its order, however many there are."""

from __future__ import annotations

from pathlib import Path

from registry.records import RoundRecord
from registry.services.local import LocalRegistry
from registry.web.page import Query
from registry.web.pages import history
from registry.web.pages.history import PAGE, HistoryPage


def page(registry: LocalRegistry, **query: str) -> HistoryPage:
    view = history.page(registry, Query({}, {name: [value] for name, value in query.items()})).view
    assert isinstance(view, HistoryPage)
    return view


def test_pages_have_every_round_once_the_latest_first(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    names = [f"round-{number}" for number in range(2 * PAGE + 1)]
    for name in names:
        record = RoundRecord(id=f"id-{name}", name=name, spec="{}", state="done", created=1.0, changed=1.0)
        registry.rounds.request_round(record)
    pages = [page(registry)]
    while earlier := pages[-1].earlier:
        pages.append(page(registry, before=earlier))
    assert [one.name for view in pages for one in view.rounds] == names[::-1]
    assert [view.continued for view in pages] == [False, True, True]
    registry.close()
