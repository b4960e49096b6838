from ratatouille.recipes.protocol import DOMAINBED, Hyperparameters, draw, run_seed, seed_hash


def test_the_seed_hash_is_the_reference_s() -> None:
    # md5("(0, 1)") and md5("('PACS', 'ERM', (0,), 3, 1)"), modulo 2^31
    assert seed_hash(0, 1) == 1514274641
    assert seed_hash("PACS", "ERM", (0,), 3, 1) == 1649626537


def test_run_zero_has_the_default_values() -> None:
    assert draw(DOMAINBED, 0, 0) == Hyperparameters(learning_rate=5e-5, weight_decay=0.0, dropout=0.0)


def test_other_runs_draw_every_choice() -> None:
    drawn = [draw(DOMAINBED, number, 0) for number in range(1, 60)]
    assert {one.learning_rate for one in drawn} == {1e-5, 3e-5, 5e-5}
    assert {one.weight_decay for one in drawn} == {1e-4, 1e-6}
    assert {one.dropout for one in drawn} == {0.0, 0.1, 0.5}


def test_values_and_seeds_do_not_depend_on_anything_but_number_and_trial() -> None:
    assert draw(DOMAINBED, 7, 2) == draw(DOMAINBED, 7, 2)
    assert draw(DOMAINBED, 7, 2) != draw(DOMAINBED, 8, 2)
    assert run_seed("t", ("a",), 7, 2) != run_seed("t", ("a",), 7, 1)
