"""Numbers of the code that pages state are those of the code: each sentence is written again from its constants.

A time, a size or a count on one of these pages must be in `STATED`, where it is made from a constant, or in `OTHER`,
where it is no constant of the code (a measurement, an example). So a number cannot be added without its source.
"""

from __future__ import annotations

import re
from inspect import signature

import pytest
from flwr.common.constant import TIMESTAMP_TOLERANCE

from contributor_client import offer_renewal, parking, relay, service_files, worker
from contributor_client.commands import node as node_commands
from coordinator import matching, rounds, scheduler, supervisor
from coordinator.commands import service as coordinator_commands
from coordinator.door import config as door
from ratatouille import home, outbox
from ratatouille.exchange.leaderboard import LEVEL
from ratatouille.exchange.leave_one_out import MOST_TERMS
from ratatouille.exchange.session import CLOCK_SECONDS
from ratatouille.processes import guard
from ratatouille.recipes import admission
from ratatouille.recipes.protocol import DOMAINBED
from ratatouille.tasks import duplicates, holding, kept, time_limit
from ratatouille.tasks.emoji import drawing
from ratatouille.tasks.node import NodeSettings
from ratatouille.tasks.task import SplitRule
from ratatouille.training import run_files
from ratatouille.training.answer import Timing
from registry import server, texts
from registry.blobs import windows
from registry.commands import maintenance
from registry.credit import questions
from registry.engines import postgresql
from registry.exports.bundles import archive
from registry.ledger.signed_changes import TOLERANCE
from registry.records import BEAT_SECONDS
from registry.settings import Settings
from registry.transport import arrivals, client, servicer, unread, waits, wire
from tests.docs.pages import ROOT, text_of

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
HOUR, DAY = 3600, 24 * 3600


def word(count: float) -> str:
    """A whole number as pages write it: in letters up to twelve."""
    return WORDS[round(count)] if count == round(count) <= 12 else f"{count:,.0f}"


def every(seconds: float) -> str:
    """After "every" or "a": second, 2 seconds, day."""
    return {1: "second", 60: "minute", HOUR: "hour", DAY: "day"}.get(round(seconds), f"{seconds:g} seconds")


def default(settings: type[NodeSettings] | type[Settings], name: str) -> int:
    """The default of a setting."""
    value = settings.model_fields[name].default
    assert isinstance(value, int)
    return value


MARGIN = f"{word(time_limit.MARGIN_SECONDS / 60)} minutes"
PARKED = f"{word(parking.PARKED_SECONDS / 60)} minutes"
PEER_SHARE = {0.5: "half", 0.75: "three quarters"}[servicer.SHARE]
LEAST = {2**19: "half a MiB", 2**20: "a MiB"}[servicer.LEAST_BYTES]
TIMING = Timing()
RELAYED = signature(relay.relay).parameters["attempts"].default
SILENCE = f"{client.IDLE_SECONDS:.0f} seconds"
PACE = f"{servicer.IDLE_SECONDS:.0f} seconds, in which {LEAST}"
GROWTH, READ = f"{waits.MOST_GROWTH // 2**20} MiB", f"{unread.READ_SECONDS:.0f}"
RECEIPT = f"{arrivals.RECEIPT_SECONDS:.0f} seconds"
SHORTEST = f"({texts.SHORTEST_PREFIX} characters or more)"
OPEN = guard.Rules(0, frozenset())
REVIEWED = 3 + len(admission.START_LINE) + len(admission.REFERENCE_LINE)
"""Networks that a review counts: the run, its start, the reference, and those on the lines between."""
PAPER_RUNS = DOMAINBED.runs + DOMAINBED.runs * 4 // 5
"""Runs of soup and ratatouille with four auxiliary tasks: those that start from the foundation are the same."""

KEPT = f"{(outbox.FILES - 1) * outbox.FILE_BYTES // 2**20} to {outbox.FILES * outbox.FILE_BYTES // 2**20}"

EACH = windows.SHARES * windows.SMALLEST
"""Bytes that an average holds of each file, where there are many."""
FILE_MIB = {2**19: "half a MiB", 2**20: "a MiB"}[EACH]

ONE_SIDED, TWO_SIDED = {2.326: "99"}, {3.291: "0.1"}
"""What bounds of so many standard deviations hold with, and what differences beyond so many happen in."""

STATED: dict[str, tuple[str, ...]] = {
    "docs/admission.md": (
        f"| {admission.SLACK:g} × learning rate × steps |",
        f"with {admission.PEERS} other runs or more | {admission.BAND:g} times the median",
        f"| {100 * admission.COPY:g} % of the smaller update",
        f"| {100 * admission.TOLERANCE:g} points, beyond the bound of {ONE_SIDED[admission.SURE]} % confidence |",
        f"difference that chance makes in {TWO_SIDED[admission.CHANCE]} % of cases",
        f"there is none of fewer than {admission.REFERENCED}",
    ),
    "docs/credit.md": (
        f"A question has {questions.TOGETHER + 1} networks at most.",
        f"An average of more than {MOST_TERMS} members has no credit.",
        f"is {100 * LEVEL:.0f} % at most",
    ),
    "docs/limits.md": (
        f"bounded for up to {windows.BUDGET // EACH} files that lie on S3 alone. Each further file takes {FILE_MIB}",
    ),
    "README.md": (f"http://127.0.0.1:{home.DEFAULT_WEB_PORT}",),
    "docs/tutorial.md": (f"<http://127.0.0.1:{home.DEFAULT_WEB_PORT}>",),
    "docs/architecture.md": (
        f"looks at the rows every {every(supervisor._LOOK_SECONDS)} and",
        f"{word(scheduler._MOST_STARTS)} starts in a row that bring no answer end the round",
        f"{word(scheduler._MOST_STARTS)} starts of the round's loop brought no answer",
        f"(a worker up to {TIMING.patience / HOUR:.0f} hours)",
        f"to {word(RELAYED)} workers at most",
        f"up to {TIMING.checkpoint:.0f} seconds of training |",
        f"up to {TIMING.checkpoint:.0f} seconds of training, if",
        f"its lease ends after {TIMING.lease:.0f} seconds, its offer after {offer_renewal.OFFER_SECONDS:.0f} seconds;",
        f"again after {PARKED}, or when",
        f"if its node is silent for {word(rounds._SILENCE / 60)} minutes",
        f"the newest {run_files.RUNS} trainings",
        f"127.0.0.1:{home.DEFAULT_PORT}; the [web page](web.md) on 127.0.0.1:{home.DEFAULT_WEB_PORT}",
        f"| 127.0.0.1:{home.DEFAULT_PORT + 1} |",
    ),
    "docs/data.md": (
        f"one number below {holding.TRIALS}:",
        f"it gets no work for {PARKED}, or until",
        f"fewer than `smallest_count` images ({default(NodeSettings, 'smallest_count')}) share",
        f"`networks_per_week` networks ({default(NodeSettings, 'networks_per_week')}) on",
        f"a gate counts {word(REVIEWED)} networks of each run",
        f"{PAPER_RUNS} runs of soup and ratatouille take {PAPER_RUNS * REVIEWED} of the budget",
        f"not used for {kept.LONGEST_SECONDS / DAY:.0f} days",
        f"Beyond {kept.MOST_BYTES // 2**30} GiB",
        f"{drawing.MARGIN:.2f} times its larger side",
    ),
    "docs/datasets.md": (
        f"at most `--distance` bits differ, {duplicates.DISTANCE} by default",
        f"{SplitRule().train:.0%}".replace("%", " %") + " of the groups of each domain train",
    ),
    "docs/decisions/0008-a-round-is-a-row.md": (
        f"looks at the rows every {every(supervisor._LOOK_SECONDS)}",
        f"gives up after {word(scheduler._MOST_STARTS)} starts in a row",
        f"starts up to a {every(supervisor._LOOK_SECONDS)} late",
    ),
    "docs/decisions/0011-who-may-answer.md": (
        f"offered it within a {every(Settings().stale_seconds)}, takes leases",
        f"for longer than a {every(Settings().stale_seconds)}.",
    ),
    "docs/glossary.md": (f"started again, or {PARKED} are over",),
    "docs/maintaining.md": (
        f"within the last {every(Settings().stale_seconds)} and",
        f"More than {archive.MOST_VERSIONS:,} versions move",
    ),
    "docs/members.md": (f"your clock is wrong by more than {word(TOLERANCE / 60)} minutes",),
    "docs/node.md": (
        f"the node leaves {MARGIN} before",
        f"decoded images and features to {kept.MOST_BYTES // 2**30} GiB",
        f"that nobody went on with to {kept.MOST_BYTES // 2**30} GiB",
        f"not used for {kept.LONGEST_SECONDS / DAY:.0f} days",
        f"The {MARGIN} cover",
        f"gives it {word(service_files.STOP_SECONDS / 60)} minutes to save",
        f"again {service_files.AGAIN_SECONDS} seconds after a failure",
        f"how far the two clocks are apart, and that {word(int(CLOCK_SECONDS / 60))} minutes are borne",
        f"has waited for {word(int(worker.IDLE_SECONDS // 60))} minutes ends",
        f"the newest {KEPT} MiB",
        f"every {word(outbox.COUNT_SECONDS / 60)} minutes, at the end",
        f"up to {word(outbox.COUNT_SECONDS / 60)} minutes of that number",
    ),
    "docs/operating.md": (f"bodies up to {door.LONGEST_BODY // 2**20} MiB",),
    "docs/own-data.md": (f"not used for {kept.LONGEST_SECONDS / DAY:.0f} days",),
    "docs/reading-history.md": (SHORTEST,),
    "docs/security.md": (
        f"{door.LONGEST_BODY // 2**20} MiB, {door.BODY_SECONDS} seconds for the first bytes",
        f"Flower accepts it for {word(TIMESTAMP_TOLERANCE / 60)} minutes",
        f"an order that somebody took, after {word(rounds._SILENCE / 60)} minutes",
        f"grown by {GROWTH} meanwhile, which it looks at {word(1 / waits.LOOK_SECONDS)} times a second",
        f"limited to {OPEN.open_bytes // 2**20} MiB and {OPEN.body_seconds:.0f} seconds, {OPEN.bodies} at one moment",
    ),
    "docs/service.md": (
        f"call have {wire.LARGEST_ARGUMENTS // 2**20} MiB at most, those of slow methods "
        f"{wire.LARGEST_SLOW_ARGUMENTS // 2**20}.",
        f"memory grows by more than {GROWTH}",
        f"{READ} seconds until it is read, and {READ} more for each {LEAST}",
        f"wait to be read have {unread.MOST_BYTES // 2**20} MiB together",
        f"| {wire.DEADLINE_SECONDS:.0f} seconds; {wire.SLOW_DEADLINE_SECONDS / HOUR:.0f} hours for averages",
        f"and `verify` | {arrivals.QUESTION_SECONDS:.0f} seconds for its arguments",
        f"`Weights/Fetch` | {SILENCE} without a byte | {PACE}",
        f"`Weights/Push` | {SILENCE} without a byte or an answer | {RECEIPT} for the receipt; then {PACE}",
        f"{4 * BEAT_SECONDS:.0f} seconds without a sign of life | sends one every {BEAT_SECONDS:.0f} seconds",
        f"({servicer.MOST_PUSHES}, {servicer.MOST_FETCHES}, {servicer.MOST_WATCHERS} and {servicer.MOST_LONG_CALLS} ",
        f"{PEER_SHARE} of each at most, one key {servicer.PUSHES_OF_A_KEY} pushes",
        f"`coordinator up` {coordinator_commands._END_SECONDS:.0f} s, `node join` {node_commands._END_SECONDS:.0f} s",
        f"`registry serve` {server.END_SECONDS:.0f} s ({server.DRAIN_SECONDS:.0f} of them for calls under way)",
        f"`registry web` {maintenance._WEB_END_SECONDS:.0f} s, a node's worker {worker.END_SECONDS:.0f} s",
        f"one process uses {postgresql.CONNECTIONS} at most",
        f"must be {postgresql.CONNECTIONS} for each process",
    ),
    "docs/speed.md": (f"the newest {run_files.RUNS} runs are kept",),
    "docs/web.md": (f"<http://127.0.0.1:{home.DEFAULT_WEB_PORT}>",),
}

OTHER: dict[str, tuple[str, ...]] = {
    "README.md": ("the first call takes six minutes after the installation",),
    "docs/architecture.md": ("15 ms for a round of 34 questions, 55 ms for one of 100",),
    "docs/glossary.md": ("two networks of a comparison",),
    "docs/history-proof.md": (
        "about 170 bytes",
        "0.05 ms of processor time",
        "0.27 ms now (with PostgreSQL 0.6 ms and 1.7 ms",
        "1 ms for a log of 100,000 entries",
        "as many in 7 s",
        "2 s for 100,000 events",
    ),
    "docs/maintaining.md": ("multipart uploads after a day or two",),
}
"""By page: what is no constant of the code."""

COUNT = r"[0-9][0-9,.]*|half an?|three quarters|an?(?= day| MiB)|" + "|".join(WORDS[1:])
UNIT = (
    r"seconds?|minutes?|hours?|days?|weeks?|ms|s|[KMG]i?B|bytes|characters|starts|workers|connections|pushes|networks|"
    r"trainings|runs are kept|times at most"
)
QUANTITY = re.compile(rf"\b(?:(?:{COUNT}) (?:more )?(?:{UNIT})|every (?:second|minute|hour|day))\b")
MEASURED = {f"docs/{name}.md" for name in ("speed", "emoji-protocol", "method")}
"""Pages where times and counts are what a command or a paper printed."""
GENERATED = {f"docs/{name}.md" for name in ("cli", "files", "calls", "schema")}
WRITTEN = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")} - MEASURED - GENERATED


def flat(page: str) -> str:
    """A page's text on one line, without blocks of code."""
    return " ".join(re.sub(r"^```.*?^```$", "", text_of(ROOT / page), flags=re.MULTILINE | re.DOTALL).split())


@pytest.mark.parametrize("page", STATED)
def test_every_stated_number_is_that_of_the_code(page: str) -> None:
    text = " ".join(text_of(ROOT / page).split())
    for sentence in STATED[page]:
        assert sentence in text, sentence


@pytest.mark.parametrize("page", sorted(WRITTEN | set(STATED) - MEASURED))
def test_every_time_and_size_of_a_page_has_a_source(page: str) -> None:
    text = flat(page)
    for sentence in (*STATED.get(page, ()), *OTHER.get(page, ())):
        text = text.replace(sentence, "…")
    assert [text[max(0, one.start() - 40) : one.end() + 10] for one in QUANTITY.finditer(text)] == []


def test_both_sides_park_for_the_same_time() -> None:
    assert matching.PARKED_SECONDS == parking.PARKED_SECONDS
