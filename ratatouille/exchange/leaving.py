"""The list of what leaves a contributor's machine: every value of each record, in plain words, with an example.

The records are the whole of it: nothing is sent that is not a field here or a row of `BESIDE`. A test holds that every
field has its words, so a new one cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ratatouille.exchange.assignment import Cell, Evaluate
from ratatouille.exchange.confusion import confusion_of
from ratatouille.exchange.membership import Lease, LeaseReturn, Offer, OfferWithdrawal, Parked, Possession
from ratatouille.exchange.order import Hint, Introduction, OrderReply
from ratatouille.exchange.receipt import Comparison, CurvePoint, Evaluation, Pair, Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.failure import Failure
from ratatouille.record import Record
from ratatouille.tasks.holding import Holding

_KEY = "the node's public key, its identity"
_OFFER = {
    "node": _KEY,
    "name": "the public name, from node.toml",
    "holdings": "what is held of each task: see holding",
    "proofs": "for each holding, a signature by a key that follows from its images: see possession",
    "device": "the kind of processor, as node.toml says",
    "workers": "on how many devices it works at a time; nothing for one",
    "trains": "whether it trains or only evaluates",
    "protocol": "which release it speaks",
    "revision": "which release it trains with",
    "numerics": "how it computes",
    "issued": "the time of the offer, by this machine's clock",
    "seconds": "how long the offer stands",
    "parked": "what it cannot work with now: see parked",
    "hears_orders": "whether orders of the coordinator reach it",
}
_HOLDING = {
    "task": "digest of the task's definition",
    "task_name": "name of the task",
    "counts": "of each domain and side of the split, the number of images of each class",
    "fingerprint": "a keyed hash of all images, labels and groups",
    "trials": "of a small domain, in how many reshuffles of the split it can be trained on",
}
_RECEIPT = {
    "assignment": "the question as it was asked: task, fingerprint, settings and seed of the work",
    "parents": "ids of the versions that the work began with",
    "round": "id of the round",
    "node": _KEY,
    "featurizer": "digest of the weights that the work made",
    "head": "digest of the classifier that the work made",
    "evaluations": "counts of the images: see evaluation",
    "comparison": "counts for several networks: see comparison",
    "curve": "how a training went: see curve",
    "kept_step": "which step of the training was kept",
    "images": "number of images that were trained on",
    "seconds": "time of the work",
    "overhead": "time around it",
    "software": "versions of Python and of the libraries that computed",
    "device": "name of the processor or graphics card",
    "note": "of a probe, how exact its solution is; of a checkpoint that you push yourself, what `-m` says",
}
_SIGNED = "when it was signed, by this machine's clock"
MEANINGS: dict[type[Record], dict[str, str]] = {
    Offer: _OFFER,
    Holding: _HOLDING,
    Possession: {
        "node": _KEY,
        "task": "digest of the task's definition",
        "fingerprint": "which data it says that the node holds",
    },
    OfferWithdrawal: {"node": _KEY, "issued": _SIGNED},
    Parked: {
        "failure": "why: see failure",
        "fingerprint": "which data it is about; nothing for the whole node",
        "seconds": "for how long still",
    },
    Failure: {
        "code": "one code of a closed list, never words of this machine",
        "counts": "numbers that belong to the code, such as how many images",
    },
    Lease: {
        "work_id": "digest of the question that is worked on",
        "node": _KEY,
        "task": "digest of the task's definition",
        "fingerprint": "which data the question is about",
        "seconds": "for how long the question is taken",
        "issued": _SIGNED,
        "expires": "set by the registry",
        "done": "steps done",
        "total": "steps in all",
        "doing": "what it does, from a closed list, with the loss of a training",
        "inputs": "digests of the weights that the work begins with",
        "about": "the version that the question reviews, if it is a review",
    },
    LeaseReturn: {"work_id": "digest of the question that is free again", "node": _KEY, "issued": _SIGNED},
    Receipt: _RECEIPT,
    Evaluation: {
        "cell": "domain and side of the split",
        "confusion": "how many images of each class were taken for which class; small entries may be merged",
    },
    CurvePoint: {
        "step": "after how many steps",
        "loss": "mean loss on training images",
        "validation_loss": "mean loss on validation images",
        "score": "share of validation images that were recognised",
    },
    Comparison: {
        "networks": "evaluations of each network: see evaluation",
        "ensemble": "evaluations of their ensemble",
        "pairs": "counts for pairs of networks: see pair",
    },
    Pair: {
        "cell": "domain and side of the split",
        "first": "which network",
        "second": "which other network",
        "both": "images that both recognise",
        "only_first": "images that only the first recognises",
        "only_second": "images that only the second recognises",
        "neither": "images that neither recognises",
        "cka": "how alike their features of these images are, from 0 to 1",
    },
    Hint: {
        "work_id": "digest of the question",
        "outcome": "what became of it: one of five words",
        "reason": "always empty",
        "failure": "why not: see failure",
    },
    OrderReply: {
        "message": "which message of the coordinator it answers",
        "order": "digest of the order that the message carried",
        "hint": "what became of the order: see hint",
        "failure": "why there is no hint: see failure",
    },
    Introduction: {
        "flower_node": "Flower's number of this node",
        "run": "Flower's number of the run",
        "protocol": "which release it speaks",
    },
    Sealed: {
        "body": "the record that is sent, as above",
        "node": _KEY,
        "signature": "its signature by the node's key",
    },
}
"""What each value says, by record and field."""

BESIDE = (
    ("weights", "what a training made; weights can tell about the images that they were trained on", "safetensors"),
    ("connection", "the network address of this machine, as registry and coordinator see it", "127.0.0.1"),
    ("connection", "when and how often it sends, and how much", "an offer every few seconds"),
    ("connection", "name and version of the library that talks, and the kind of operating system", "{grpc}"),
    ("session", "the public key of this home, signed with a number of the registry and the time here", "each hour"),
    ("enrolment", "public keys of this home, of the node and of its Flower client, with their names", "when it joins"),
    ("enrolment", "the invitation's secret", "when it joins"),
    ("withdraw", "your message, and the name in the history (`ratatouille config name`)", "{author}"),
)
"""What leaves beside records: the name of it, what it says, an example."""
NEVER = (
    "Never: images, file names, folders, your own names of labels, the fingerprint's secret, the name of your account "
    "or of this machine."
)


class Leaving(Record):
    """One kind of value that leaves: of which record, which field, what it says, and what it is here."""

    record: str
    field: str
    means: str
    example: Any = None
    """As JSON."""


def leaving(
    offer: Offer, software: Mapping[str, str], device: str, author: str, key: str | None = None
) -> tuple[Leaving, ...]:
    """Every kind of value that this node sends.

    Args:
        offer: what it would offer; examples of the other records are made from it.
        software: versions of what computes here.
        device: the processor in words.
        author: the name in the history.
        key: the node's key; None where its first join will make one.
    """
    rows = [
        Leaving(record=name_of(kind), field=field, means=MEANINGS[kind].get(field, field), example=value)
        for kind, values in _examples(offer, software, device)
        for field, value in values.items()
    ]
    if key is None:
        rows = [
            row.model_copy(update={"example": "made at the first join"}) if row.means == _KEY else row for row in rows
        ]
    words = {"grpc": f"grpc-python/{_version('grpcio')}", "author": author}
    beside = [Leaving(record=what, field="", means=says, example=one.format(**words)) for what, says, one in BESIDE]
    return (*rows, *beside)


def _examples(offer: Offer, software: Mapping[str, str], device: str) -> Iterable[tuple[type[Record], dict[str, Any]]]:
    """Each record with the values of an example, as JSON."""
    held = offer.holdings[0]
    possession = Possession(node=offer.node, task=held.task, fingerprint=held.fingerprint)
    proof = Sealed(body=possession.to_json().decode(), node=_EXAMPLE, signature="0" * 128)
    domain = held.domains[0]
    cell = Cell(domain=domain, split="validation")
    counts = [sum(rows) for rows in zip(*held.counts[domain].values(), strict=True)]
    confusion = confusion_of(len(counts), [(place, place, count) for place, count in enumerate(counts) if count])
    evaluation = Evaluation(cell=cell, confusion=confusion)
    question = Evaluate(
        architecture=_EXAMPLE,
        task=held.task,
        fingerprint=held.fingerprint,
        image_size=224,
        featurizer=_EXAMPLE,
        head=_EXAMPLE,
        cells=(cell,),
    )
    point = CurvePoint(step=100, loss=1.25, validation_loss=1.5, score=0.5)
    total = sum(counts)
    pair = Pair(cell=cell, first=0, second=1, both=total, only_first=0, only_second=0, neither=0, cka=0.5)
    compared = Comparison(networks=((evaluation,), (evaluation,)), pairs=(pair,))
    failure = Failure(code="image-damaged", counts={"images": 1})
    parked = Parked(failure=failure, fingerprint=held.fingerprint, seconds=60.0)
    receipt = Receipt(
        assignment=question,
        parents=(_EXAMPLE, _EXAMPLE),
        round="3f2a91",
        node=offer.node,
        featurizer=_EXAMPLE,
        head=_EXAMPLE,
        evaluations=(evaluation,),
        curve=(point,),
        kept_step=100,
        images=held.total(split="train"),
        seconds=600.0,
        overhead=2.0,
        software=dict(software),
        device=device,
    )
    lease = Lease.on(question, offer.node).model_copy(
        update={"done": 100, "total": 500, "doing": "training, loss 1.250"}
    )
    hint = Hint(work_id=question.digest, outcome="refused", failure=failure)
    proved = offer.model_copy(update={"proofs": offer.proofs or (proof,)})
    for record in (
        *(proved, *offer.holdings, possession, OfferWithdrawal(node=offer.node, issued=offer.issued), parked, failure),
        *(lease, LeaseReturn(work_id=question.digest, node=offer.node, issued=offer.issued)),
        *(receipt, evaluation, point, compared, pair),
        *(hint, OrderReply(message=_EXAMPLE, order=_EXAMPLE, hint=hint.to_json().decode())),
        Introduction(flower_node=1, run=1),
        Sealed(body=failure.to_json().decode(), node=offer.node, signature="0" * 128),
    ):
        values = record.model_dump(mode="json")
        # a field that is left out where it says nothing may say something another time
        yield type(record), {field: values.get(field) for field in type(record).model_fields}


_EXAMPLE = "e" * 64


def name_of(kind: type[Record]) -> str:
    """The name of a kind of record for people."""
    names = {
        CurvePoint: "curve",
        Sealed: "signature",
        OfferWithdrawal: "end of offer",
        LeaseReturn: "end of lease",
        OrderReply: "reply",
    }
    return names.get(kind, kind.__name__.lower())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "…"
