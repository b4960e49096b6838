from __future__ import annotations

from ratatouille.exchange.version import Combination, Parent
from tests.registry.world import World


def test_smoke(world: World) -> None:
    start = world.probed()
    a, b = world.tuned(start, 2), world.tuned(start, 3)
    c = world.registry.combine(
        Combination(parents=(Parent(version=str(a.version)), Parent(version=str(b.version)))), round="r1"
    )
    assert (
        world.registry.combine(Combination(parents=(Parent(version=str(a.version)), Parent(version=str(b.version)))))
        == c
    )
    world.work(world.evaluation(c), {})
    world.registry.set_alias("latest", str(c.version)[:10])
    details = world.registry.show("latest")
    assert details.evaluations
    for entry in world.registry.log():
        v = world.registry.verify(entry.id)
        assert v.ok, v
    print(world.registry.lineage("latest"), world.registry.events())
    assert len(list((world.folder.parent / "registry/receiving").iterdir())) == 0
