"""A long history for the benchmarks, written straight into a database: rounds of trainings, averages and counts.

Every record is a real one with its real digest, so that answers are as large as in life; only the signatures and the
weights are missing, which no question of the benchmark looks at.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from ratatouille.exchange.assignment import Cell, Evaluate, FineTune, Import, KeepBest, Probe
from ratatouille.exchange.receipt import CurvePoint, Evaluation, Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Parent, Rule, RuleName, Version
from ratatouille.record import Record, canonical_json, sha256
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture, Tensor
from registry.scores import score_rows

ROUND = 25
"""Versions of one round: a probe, trainings from it, and their average."""
DOMAINS = ("art", "cartoon", "photo", "quickdraw", "sketch")
CLASSES = tuple(f"class {number}" for number in range(10))
NODES = tuple(sha256(f"node {number}".encode()) for number in range(8))
DATA = sha256(b"data")
BEGINNING = 1.7e9
"""Seconds since 1970 of the first version; there is one a minute."""
NETWORK = Architecture(
    name="vit_base_patch16_224",
    input_size=224,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    padding="symmetric",
    width=768,
    featurizer=tuple(Tensor(name=f"blocks.{number}.weight", shape=(768, 768)) for number in range(150)),
)
TASKS = tuple(
    Task(name=f"{name}-things", kind="target", classes=CLASSES, domains=DOMAINS) for name in ("emoji", "leaf", "road")
)
SOFTWARE = {"python": "3.12.4", "torch": "2.9.1", "timm": "1.0.31", "numpy": "2.4.6"}

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Made:
    """A version that was written."""

    id: str
    featurizer: str
    head: str | None


@dataclass(frozen=True)
class Countings:
    """Evaluations of a version on all domains, and their rows but for what version it is."""

    evaluations: tuple[Evaluation, ...]
    rows: list[dict[str, Any]]
    scores: list[dict[str, Any]]


class History:
    """Rows for the tables, in the order in which they may be written; `take` empties it."""

    def __init__(self) -> None:
        self.rows: Rows = defaultdict(list)
        self.number = 0
        """Of the latest version."""
        self.numbers = count(1)
        self.dice = random.Random(7)  # noqa: S311
        self.counts = [_counts(self.dice) for _ in range(1000)]
        self.network = NETWORK.digest
        self.tasks = {task.name: task.digest for task in TASKS}

    def take(self) -> Rows:
        """The rows so far."""
        taken, self.rows = self.rows, defaultdict(list)
        return taken

    def begin(self) -> Made:
        """Definitions, nodes and a foundation."""
        at = BEGINNING
        self._add("architectures", digest=self.network, name=NETWORK.name, record=_text(NETWORK), created=at)
        for task in TASKS:
            self._add("tasks", digest=self.tasks[task.name], name=task.name, record=_text(task), created=at)
        for number, node in enumerate(NODES):
            name = f"node-{number // 2}"  # two keys of each name
            self._add("offers", node=node, name=name, sealed="{}", issued=at, expires=at)
        featurizer = self._blob("featurizer")
        work = Import(architecture=self.network, featurizer=featurizer, source="a paper's weights")
        receipt = Receipt(assignment=work, node=NODES[0], featurizer=featurizer, software=SOFTWARE)
        return self._version("import", receipt, (), None, None, "foundation")

    def round(self, number: int, foundation: Made, size: int = ROUND) -> Made:
        """A round of so many versions; every tenth one is released and tagged."""
        task, id = TASKS[number % len(TASKS)], sha256(f"round {number}".encode())[:16]
        at = self._now()
        name = f"round-{number}"
        self._add("rounds", id=id, name=name, spec="{}", state="done", reason="", created=at, changed=at)
        start = self._probe(task, foundation, id)
        runs = [self.training(task, start, id, run) for run in range(size - 2)]
        average = self.average(task, runs, id)
        if number % 10 == 0:
            self._release(number, average)
        return average

    def training(self, task: Task, start: Made, round: str | None, run: int) -> Made:
        """A fine-tuning with its counts."""
        work = FineTune(
            architecture=self.network,
            featurizer=start.featurizer,
            head=str(start.head),
            task=self.tasks[task.name],
            fingerprint=DATA,
            image_size=224,
            domains=DOMAINS[:4],
            seed=self.number,
            steps=5000,
            warmup=0,
            batch=32,
            learning_rate=5e-5,
            weight_decay=1e-4,
            dropout=0.1,
            evaluate_every=250,
            keep=KeepBest(),
        )
        curve = tuple(
            CurvePoint(step=250 * point, loss=1 / point, validation_loss=1 / point, score=0.8) for point in range(1, 21)
        )
        receipt = Receipt(
            assignment=work,
            parents=(start.id,),
            round=round,
            node=self.dice.choice(NODES),
            featurizer=self._blob("featurizer"),
            head=self._blob("head"),
            curve=curve,
            software=SOFTWARE,
            note=f"run {run} of a ratatouille",
        )
        return self._counted(task, self._version("fine_tune", receipt, (start,), task, round, receipt.note))

    def average(self, task: Task, members: Sequence[Made], round: str | None = None) -> Made:
        """A uniform average with its counts."""
        parts = self._blob("featurizer"), self._blob("head")
        made = self._version("combine", None, members, task, round, f"uniform of {len(members)}", parts)
        return self._counted(task, made)

    def _probe(self, task: Task, foundation: Made, round: str) -> Made:
        work = Probe(
            architecture=self.network,
            featurizer=foundation.featurizer,
            task=self.tasks[task.name],
            fingerprint=DATA,
            image_size=224,
            domains=DOMAINS[:4],
            repeat=self.number,
            l2=1.0,
            iterations=100,
        )
        receipt = Receipt(
            assignment=work,
            parents=(foundation.id,),
            round=round,
            node=self.dice.choice(NODES),
            featurizer=foundation.featurizer,
            head=self._blob("head"),
            software=SOFTWARE,
        )
        return self._counted(task, self._version("probe", receipt, (foundation,), task, round, ""))

    def _version(
        self,
        rule: RuleName,
        receipt: Receipt | None,
        parents: Sequence[Made],
        task: Task | None,
        round: str | None,
        message: str,
        parts: tuple[str, str | None] = ("", None),
    ) -> Made:
        self.number += 1
        featurizer, head = parts if receipt is None else (str(receipt.featurizer), receipt.head)
        signed, work_id = self._contribution(receipt, task) if receipt else (None, sha256(str(self.number).encode()))
        version = Version(
            featurizer=featurizer,
            head=head,
            architecture=self.network,
            task=self.tasks[task.name] if task else None,
            parents=tuple(Parent(version=parent.id) for parent in parents),
            rule=Rule(name=rule, revision=1, purpose="uniform" if receipt is None else None),
            receipt=signed,
        )
        record = version.to_json()
        id = sha256(record)
        self._add(
            "versions",
            number=self.number,
            id=id,
            record=record.decode(),
            featurizer=featurizer,
            head=head,
            architecture=version.architecture,
            task=version.task,
            rule=rule,
            # one in a thousand was taken back
            state="retracted" if self.number % 1000 == 0 else "admitted",
            work_id=work_id,
            receipt=version.receipt,
            node=receipt.node if receipt else None,
            round=round,
            message=message,
            seconds=1.0,
            created=self._now(),
        )
        for position, parent in enumerate(parents):
            self._add("parents", child=id, position=position, parent=parent.id)
        self._add("events", at=self._now(), kind="version", round=round, subject=id, text=f"{rule}: {message}")
        return Made(id, featurizer, head)

    def _contribution(self, receipt: Receipt, task: Task | None) -> tuple[str, str]:
        """Enter a receipt; returns its digest and its work id."""
        body = receipt.to_json()
        digest, work_id = sha256(body), receipt.work_id
        self._add(
            "contributions",
            receipt=digest,
            work_id=work_id,
            kind=receipt.assignment.kind,
            node=receipt.node,
            state="admitted",
            reason="",
            sealed=_text(Sealed(body=body.decode(), node=receipt.node, signature="0" * 128)),
            task=self.tasks[task.name] if task else None,
            featurizer=receipt.featurizer,
            head=receipt.head,
            seconds=1.0,
            overhead=0.0,
            created=self._now(),
        )
        return digest, work_id

    def _counted(self, task: Task, made: Made) -> Made:
        """Evaluate a version on all domains."""
        found = self.dice.choice(self.counts)
        work = Evaluate(
            architecture=self.network,
            task=self.tasks[task.name],
            fingerprint=DATA,
            image_size=224,
            featurizer=made.featurizer,
            head=str(made.head),
            cells=tuple(one.cell for one in found.evaluations),
            repeat=self.number,
        )
        receipt = Receipt(assignment=work, node=self.dice.choice(NODES), evaluations=found.evaluations)
        digest, _ = self._contribution(receipt, task)
        about = {"featurizer": made.featurizer, "head": made.head, "task": work.task, "trial": 0, "image_size": 224}
        for row in found.rows:
            self._add("evaluations", receipt=digest, **{**row, **about})
        for row in found.scores:
            self._add("scores", **{**row, **about})
        return made

    def _release(self, number: int, made: Made) -> None:
        at = self._now()
        change = {"digest": sha256(f"move {number}".encode()), "kind": "tag", "subject": f"v{number}"}
        place = next(self.numbers)
        body = canonical_json({"kind": "tag", "name": f"v{number}", "version": made.id, "at": at}).decode()
        sealed = _text(Sealed(body=body, node=NODES[0], signature="0" * 128))
        self._add("changes", number=place, **change, node=NODES[0], sealed=sealed, at=at)
        self._add("tags", name=f"v{number}", version=made.id, change=place)
        move = {"before": None, "undo": False, "message": "", "change": place, "at": at}
        for name in ("latest", "stable")[: 1 + (number % 100 == 0)]:
            self._add("aliases", name=name, version=made.id, **move)

    def _blob(self, part: str) -> str:
        digest = sha256(f"{part} {next(self.numbers)}".encode())
        self._add("blobs", digest=digest, part=part, size=1, created=self._now())
        return digest

    def _now(self) -> float:
        return BEGINNING + 60.0 * self.number

    def _add(self, table: str, **columns: Any) -> None:
        self.rows[table].append(columns)


def _counts(dice: random.Random) -> Countings:
    """Five matrices, and the rows that they make; drawing them anew for each version would take most of the time."""
    size = range(len(CLASSES))
    evaluations = []
    for domain in DOMAINS:
        right = dice.randrange(50, 95)
        matrix = tuple(tuple(right if row == column else dice.randrange(6) for column in size) for row in size)
        evaluations.append(Evaluation(cell=Cell(domain=domain, split="test"), confusion=matrix))
    parts = {"featurizer": "", "head": "", "task": "", "trial": 0, "image_size": 224}
    rows = [
        {
            **parts,
            "fingerprint": DATA,
            **one.cell.model_dump(),
            "confusion": canonical_json(one.confusion).decode(),
        }
        for one in evaluations
    ]
    return Countings(tuple(evaluations), rows, list(score_rows(rows)))


def _text(record: Record) -> str:
    return record.to_json().decode()
