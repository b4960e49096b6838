from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from registry.web.server import application
from tests.registry.credited import HOLDER, SKETCHES, Federation
from tests.registry.web.conftest import TestClient
from tests.registry.world import World


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    (tmp_path / "files").mkdir()
    world = World(open_registry(tmp_path / "registry"), tmp_path / "files", Signer.open(tmp_path / "node.key"))
    world.define()
    return Federation(world)


def test_the_page_has_what_the_command_shows_and_the_page_of_the_average_leads_there(federation: Federation) -> None:
    average = str(federation.average.version)
    federation.at(HOLDER).offer(SKETCHES, name="holder")
    with TestClient(application(federation.world.registry), base_url="http://localhost:9280") as reader:
        assert f'href="/versions/{average}/credit"' in reader.get(f"/versions/{average}").text
        assert "nobody has asked nodes to count it" in reader.get(f"/versions/{average}/credit").text
        for one in federation.ask():
            federation.answer(one, HOLDER, lambda place, _: range(80 - 9 * place))
        text = reader.get(f"/versions/{average}/credit").text
        for words in ("<bdi>anna</bdi>", "helps", "66.7 %", "The whole has 80.0 %", "Contributions"):
            assert words in text
        found = reader.get(f"/versions/{average}/credit?format=json").json()
        assert found == federation.world.registry.versions.credit(average).model_dump(mode="json")
        assert reader.get(f"/versions/{federation.runs[0].version}/credit").status_code == 404
    federation.world.registry.close()
