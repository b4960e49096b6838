from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from tests.ratatouille.cli.call import call
from tests.registry.world import World


def test_retract_says_what_it_would_do_then_does_it_then_says_that_it_was_done(
    history: dict[str, str], world: World
) -> None:
    world.maintainer.tag(history["average"], "spring")
    average, first = history["average"][:10], history["first"][:10]
    asked = call("retract", history["first"], "-m", "wrong labels", "--dry-run").out
    assert f"{first} would be retracted: wrong labels" in asked
    assert "a new average" in asked
    assert f"alias latest would move from {average} to its replacement" in asked
    done = call("retract", history["first"], "-m", "wrong labels").out
    replacement = world.registry.versions.resolve("latest")[:10]
    assert replacement != average
    assert f"{first} was retracted by" in done
    assert f"alias latest moved from {average} to {replacement}" in done
    assert f"tag spring means {average} for ever, and stays" in done
    assert call("retract", history["first"], "-m", "once more").out == done
    (line,) = call("retract").out.splitlines()[1:]
    assert first in line
    assert "(maintainer)" in line
    assert line.endswith("wrong labels")


def test_retract_names_what_was_trained_from_it_and_aliases_that_stay(history: dict[str, str]) -> None:
    out = call("retract", history["probe"], "-m", "its license").out
    assert "3 versions come from trainings on these, and stand" in out
    assert history["first"][:10] in out
    found = call("retract", history["foundation"], "-m", "its license", "--json").json
    assert found["influenced_in_all"] == 3  # the probe was retracted itself
    assert [one["name"] for one in found["left_behind"]] == ["foundation"]
    assert "alias foundation still points at" in call("retract", "foundation", "-m", "again").out


def test_retract_wants_a_reason_and_a_version(history: dict[str, str]) -> None:
    call("retract", history["first"]).refused("say why")
    call("retract", "nothing", "-m", "why").refused("nothing")


def test_nothing_was_taken_back_is_said(history: dict[str, str]) -> None:
    assert "nothing was ever taken back" in call("retract").out
    assert call("retract", "--json").json == {"retractions": []}


def test_signed_changes_never_bear_the_name_of_an_account_of_this_machine(
    history: dict[str, str], world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "secret-login")
    done = call("release", history["first"], "--as", "spring").out
    short = Signer.open(home / "key").node[:10]
    assert done.endswith(f"signed as {short}\n")
    call("config", "name", "Anna")
    assert call("tag", history["first"], "first").out.endswith("signed as Anna\n")
    assert call("tag", history["second"], "second", "--name", "the lab").out.endswith("signed as the lab\n")
    call("release", history["second"], "--as", "spring", "--name", "a\nb")
    call("retract", history["second"], "-m", "wrong labels", "--name", "\x1b").refused("is no name")
    call("retract", history["second"], "-m", "wrong labels")
    (home / "nodes" / "ben").mkdir(parents=True)
    (home / "nodes" / "ben" / "key").write_bytes((world.folder.parent / "node.key").read_bytes())
    call("withdraw", history["first"], "-m", "mine", "--name", "Ben")
    registry = world.registry
    moves = registry.releases.alias_history("spring")
    assert {move.author for move in moves} == {short, "a b"}
    assert {one.name: one.author for one in registry.releases.tags()} == {"first": "Anna", "second": "the lab"}
    assert {one.author for one in registry.releases.retractions()} == {"Anna", "Ben"}
    assert all(b"secret-login" not in path.read_bytes() for path in (world.folder.parent / "registry").glob("*.db*"))


def test_an_average_that_nothing_is_left_of_is_promised_no_replacement(history: dict[str, str]) -> None:
    call("retract", history["first"], "-m", "wrong labels")
    asked = call("retract", history["second"], "-m", "wrong labels", "--dry-run").out
    assert "none of its parents is left" in asked
    assert "a new average" not in asked


def test_what_was_taken_back_may_come_again_once_a_maintainer_signs_that(history: dict[str, str], world: World) -> None:
    receipt = world.registry.versions.show(history["first"]).entry.version.receipt
    assert receipt is not None
    call("retract", history["first"], "--undo", "-m", "it was right").refused("was not taken back")
    call("retract", history["first"], "-m", "wrong labels")
    call("retract", history["first"], "--undo").refused("say why")
    call("retract", history["average"], "--undo", "-m", "why").refused("is an average")
    call("retract", "--undo", "-m", "why").refused("--undo needs the version or receipt")
    said = call("retract", history["first"], "--undo", "-m", "it was right").out
    assert said == f"receipt {receipt[:10]} may come again: its node pushes it, or is asked again\n"
    assert call("retract", receipt, "--undo", "-m", "it was right", "--json").json == {
        "receipt": receipt,
        "may_return": True,
    }
    assert world.registry.rounds.events()[-1].kind == "restore"
