"""One row that cannot be read, and the lists that it stands in."""

from sqlalchemy import text

from ratatouille.exchange.signing import Signer
from tests.registry.behind import direct
from tests.registry.world import PETS, World


def test_a_row_that_cannot_be_read_is_left_out_of_its_list_and_hides_no_other(world: World) -> None:
    probed = world.probed()
    leases = [world.lease(world.fine_tune(probed, seed)[0]) for seed in (1, 2)]
    world.offer()
    other = World(world.registry, world.folder, Signer.open(world.folder / "other.key"))
    other.offer(name="aquarium")
    world.registry.definitions.define_task(PETS.model_copy(update={"name": "fish"}))
    assert [
        len(world.registry.work.offers()),
        len(world.registry.work.leases()),
        len(world.registry.definitions.tasks()),
    ] == [2, 2, 2]
    assert leases[0] is not None
    local = direct(world)
    with local.publisher.database.write() as connection:
        connection.execute(text("UPDATE offers SET sealed = '{\"body\": 1}' WHERE name = 'zoo'"))
        connection.execute(
            text("UPDATE leases SET record = :big WHERE work_id = :id"), {"big": "x" * 9, "id": leases[0].work_id}
        )
        connection.execute(text("UPDATE tasks SET record = '{}' WHERE name = :name"), {"name": PETS.name})
    local.close()
    assert [offer.name for offer in world.registry.work.offers()] == ["aquarium"]
    assert [lease.work_id for lease in world.registry.work.leases()] == [leases[1].work_id if leases[1] else None]
    assert [task.name for task in world.registry.definitions.tasks()] == ["fish"]
