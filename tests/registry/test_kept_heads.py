"""A reader's memory of logs: what is kept, under which name, and what is told when the present head does not follow."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.errors import Damaged, Refusal
from ratatouille.exchange.log_head import LogHead
from ratatouille.exchange.signing import Signer, unseal
from ratatouille.federations import Federation, enter_federation
from registry.kept_heads import FOLDER, MOST_KEPT, accept_log, check_log, is_beginning
from registry.member_signer import MemberSigner
from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import home as home

ELSEWHERE = "grpcs://ours.example.org:9443"
LOOPBACK = "grpc://127.0.0.1:9290"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[LocalRegistry]:
    registry = LocalRegistry(tmp_path / "registry")
    note(registry)
    yield registry
    registry.close()


@pytest.fixture
def another(tmp_path: Path) -> Iterator[LocalRegistry]:
    registry = LocalRegistry(tmp_path / "another")
    note(registry)
    yield registry
    registry.close()


def note(registry: LocalRegistry, lines: int = 3) -> None:
    for line in range(lines):
        registry.rounds.note("autumn", "note", "x", f"line {line}")


def head_of(registry: LocalRegistry) -> LogHead:
    return unseal(registry.transparency.head().head, LogHead)


def test_a_head_is_kept_for_its_owner_alone_and_follows_the_log(registry: LocalRegistry, home: Path) -> None:
    first = check_log(registry, LOOPBACK)
    assert (first.kept, first.problem) == (None, "")
    (file,) = (home / FOLDER).iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for lines in (1, 0, 5):
        note(registry, lines)
        check = check_log(registry, LOOPBACK)
        assert check.problem == ""
        assert check.kept is not None
        assert check.head == head_of(registry)
    assert check_log(registry, "/some/folder").kept is not None, "the same registry, by its id"


def test_an_empty_log_is_the_beginning_of_every_log(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    empty = check_log(registry, LOOPBACK).head
    assert empty is not None
    assert empty.size == 0
    note(registry)
    assert is_beginning(registry, empty)
    assert check_log(registry, LOOPBACK).problem == ""
    registry.close()


def test_on_this_machine_another_registry_at_an_address_is_another_log(
    registry: LocalRegistry, another: LocalRegistry
) -> None:
    assert check_log(registry, LOOPBACK).problem == ""
    assert check_log(another, LOOPBACK).problem == ""


def test_elsewhere_another_registry_at_an_address_is_told(registry: LocalRegistry, another: LocalRegistry) -> None:
    assert check_log(registry, ELSEWHERE).problem == ""
    for _ in range(2):
        assert "another registry answers" in check_log(another, ELSEWHERE).problem
    assert check_log(registry, ELSEWHERE).problem == "", "the first one is still the one that is kept"


def test_an_invitation_names_the_key_of_the_log(registry: LocalRegistry, another: LocalRegistry) -> None:
    invitation = MemberSigner(registry, Signer.of_seed(b"1" * 32))._invitation(ELSEWHERE, None)
    assert invitation.log == registry.transparency.head().head.node
    values = {"address": ELSEWHERE, "registry": invitation.registry, "name": "anna", "role": "reader"}
    enter_federation(Federation.model_validate({**values, "log": invitation.log}), None)
    assert "the invitation named" in check_log(another, ELSEWHERE).problem
    assert check_log(registry, ELSEWHERE).problem == ""


def test_accepting_keeps_the_former_head_as_evidence(registry: LocalRegistry, another: LocalRegistry) -> None:
    before = check_log(registry, ELSEWHERE).head
    assert accept_log(another, ELSEWHERE).head == head_of(another)
    check = check_log(another, ELSEWHERE)
    assert check.problem == ""
    assert check.kept is not None
    assert check.kept.replaced is not None
    assert unseal(check.kept.replaced, LogHead) == before


def test_the_statement_of_an_owner_is_shown_beside_the_warning(registry: LocalRegistry, another: LocalRegistry) -> None:
    check_log(registry, ELSEWHERE)
    MemberSigner(another, Signer.of_seed(b"1" * 32)).state_rollback(head_of(registry), "the disk died")
    assert "its owner stated that it was set back: the disk died" in check_log(another, ELSEWHERE).problem
    with pytest.raises(Refusal, match="say why"):
        MemberSigner(another, Signer.of_seed(b"1" * 32)).state_rollback(None, " ")


def test_a_witness_signs_only_what_the_log_had(registry: LocalRegistry) -> None:
    member = MemberSigner(registry, Signer.of_seed(b"1" * 32), "anna")
    early = head_of(registry)
    note(registry)
    for head in (early, early, head_of(registry)):
        member.witness(head)
    latest, first = registry.transparency.witnesses()
    assert (first.size, first.root, first.key) == (early.size, early.root, member.signer.node)
    assert registry.transparency.witnesses(before=latest.number) == [first]
    for other in ({"root": "0" * 64}, {"size": 1000}):
        with pytest.raises(Refusal, match="never had a head"):
            member.witness(early.model_copy(update=other))
    assert check_log(registry, LOOPBACK).problem == ""


def test_heads_of_so_many_logs_are_kept_the_oldest_go(registry: LocalRegistry, home: Path) -> None:
    (home / FOLDER).mkdir(parents=True)
    for number in range(MOST_KEPT + 3):
        file = home / FOLDER / f"{number}.json"
        file.write_text("{}")
        os.utime(file, (number, number))
    check_log(registry, ELSEWHERE)
    names = {file.name for file in (home / FOLDER).iterdir()}
    assert len(names) == MOST_KEPT
    assert "ours.example.org_9443.json" in names
    assert "0.json" not in names


def test_a_damaged_file_is_named_with_the_way_out(registry: LocalRegistry, home: Path) -> None:
    check_log(registry, ELSEWHERE)
    (home / FOLDER / "ours.example.org_9443.json").write_text("{")
    with pytest.raises(Damaged, match="remove it"):
        check_log(registry, ELSEWHERE)


def test_a_home_that_cannot_be_written_keeps_nothing_and_reads_on(registry: LocalRegistry, home: Path) -> None:
    home.mkdir()
    (home / FOLDER).write_text("in the way")
    assert check_log(registry, ELSEWHERE).problem == ""
