"""`ratatouille review`, and where else a review shows: in the log, in `show`, and in what a contributor sees."""

from __future__ import annotations

import time

from ratatouille.exchange.change import Review
from tests.ratatouille.cli.call import call
from tests.registry.world import World

REASON = "worse than its start by 12.0 points ± 3.1"


def quarantine(world: World, version: str, state: str = "quarantined") -> None:
    values = {"version": version, "state": state, "reason": REASON, "evidence": {"worse": 12.0, "domain": "photo"}}
    review = Review.model_validate({**values, "by": "gate", "round": "4f2a", "at": time.time()})
    world.registry.review.enter(world.signer.seal(review))


def test_what_waits_is_listed_shown_and_decided(history: dict[str, str], world: World) -> None:
    assert call("review", "list").out == "no version is quarantined\n"
    assert call("review", "list", "--state", "all").out == "no version was reviewed yet\n"
    quarantine(world, history["first"])
    short = history["first"][:10]
    listed = call("review", "list").out
    assert short in listed
    assert REASON in listed
    shown = call("review", "show", history["first"]).out
    assert "quarantined by the gate of round 4f2a" in shown
    assert "photo" in shown
    said = call("review", "accept", history["first"], "-m", "its photographs are rare", "--name", "anna").out
    assert said == f"{short} is admitted now, signed as anna: its photographs are rare\n"
    assert call("review", "list").out == "no version is quarantined\n"
    assert short in call("review", "list", "--state", "admitted").out
    assert "All reviews, the latest first" in call("review", "show", history["first"]).out
    call("review", "reject", history["first"], "-m", "it was copied")
    assert call("review", "list", "--state", "rejected", "--json").json["reviews"][0]["reason"] == "it was copied"


def test_documents_of_reviews_are_what_their_schemas_say(history: dict[str, str], world: World) -> None:
    quarantine(world, history["first"])
    found = call("review", "list", "--json").json
    assert (found["next"], found["reviews"][0]["state"]) == (None, "quarantined")
    assert call("review", "show", history["first"], "--json").json["evidence"] == {"worse": 12.0, "domain": "photo"}
    assert call("review", "accept", history["first"], "-m", "fine", "--json").json["by"] == "maintainer"
    assert call("review", "reject", history["first"], "-m", "no", "--json").json["state"] == "rejected"


def test_mistakes_are_said_in_one_sentence(history: dict[str, str]) -> None:
    call("review", "list", "--state", "quarantine").refused("did you mean 'quarantined'?")
    call("review", "reject", history["first"]).refused("say why with -m")
    call("review", "show", history["first"]).refused("was not reviewed")
    assert "did you mean 'review accept'?" in call("review", "acept", history["first"]).err


def test_the_history_and_the_contributor_see_it(history: dict[str, str], world: World) -> None:
    quarantine(world, history["first"])
    (entry,) = [one for one in call("log", "--json").json["versions"] if one["id"] == history["first"]]
    assert entry["review"] == "quarantined"
    assert "(quarantined)" in call("log").out
    details = call("show", history["first"], "--json").json
    assert details["review"]["reason"] == REASON
    assert REASON in call("show", history["first"]).out
    assert "review" not in call("show", history["second"], "--json").json
    refused = call("release", history["average"], "--as", "stable")
    refused.refused(f"is an average with {history['first'][:12]}…, which is quarantined")
    mine = world.registry.work.member([world.signer.node]).not_taken
    assert [(one.version, one.review, one.reason) for one in mine] == [(history["first"], "quarantined", REASON)]
