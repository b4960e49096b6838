"""The rows of a bundle, written inside the caller's transaction: what a push does for one version, for all of them.

What is found on the way is a plan: which weights have to be here, and which averages have to be computed again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select, update

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Retract, Review, Tag
from ratatouille.exchange.dialect import COMBINATION_REVISION
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.exchange.version import Combination, Version
from ratatouille.weights.architecture import PARTS, Part
from registry.averages import CombineInputs, gather
from registry.contributions.examine import Examined, WantedPart, examine
from registry.contributions.ledger import admit, admit_beside, enter_blob, enter_version, keep_duplicate
from registry.exports.bundles.reading import BundleFile
from registry.ledger.answers import answer
from registry.ledger.claims import live
from registry.ledger.definitions import architecture, define_architecture, define_task, task
from registry.ledger.descendants import is_made_of
from registry.ledger.event_log import record_event
from registry.ledger.releases import add_tag
from registry.ledger.reviews import enter_review, reviews_of
from registry.ledger.signed_changes import by, enter_change, is_closed, known_change
from registry.records import Portable
from registry.schema import BlobRow, ContributionRow, VersionRow
from registry.settings import read_settings


@dataclass
class ImportPlan:
    """The effect of entering a bundle."""

    versions: int = 0
    """New ones."""
    known: int = 0
    evaluations: int = 0
    tags: int = 0
    wanted: list[WantedPart] = field(default_factory=list)
    """Weights of new versions, in the order in which they must come."""
    averages: list[tuple[Version, CombineInputs]] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    """Sentences about what cannot be checked."""
    here: set[str] = field(default_factory=set)
    """Weights that other versions have here already."""

    @property
    def needed(self) -> set[str]:
        """All weights that must be here in the end."""
        return {one.digest for one in self.wanted}

    @property
    def relied(self) -> set[str]:
        """Weights that are only looked at."""
        ancestors = {one.ancestor for one in self.wanted if one.ancestor is not None}
        members = {digest for _, each in self.averages for part in each.parts for digest, _ in each.shares(part)}
        return ancestors | members


def enter_rows(connection: Connection, bundle: BundleFile) -> ImportPlan:
    """Write everything that is not known yet.

    Raises:
        Refusal: naming the first thing that does not fit.
    """
    plan, entering = ImportPlan(), _Entering(connection, bundle)
    for network in bundle.architectures():
        define_architecture(connection, network)
    for about in bundle.tasks():
        define_task(connection, about)
    for id in bundle.manifest.needs:
        if entering.state(id) is None:
            raise Refusal(f"it builds on version {id[:12]}…, which is not here; export it with all ancestors")
    evaluations: dict[str, None] = {}
    for one in bundle.versions():
        state = entering.state(one.version.id)
        if state is None:
            entering.version(one, plan)
        else:
            entering.bring_back(one, plan)
        plan.versions, plan.known = plan.versions + (state is None), plan.known + (state is not None)
        evaluations |= dict.fromkeys(one.evaluations) if state != "retracted" else {}
    for digest in evaluations:
        plan.evaluations += entering.evaluation(digest)
    for one in bundle.versions():
        plan.tags += sum(entering.tag(sealed, one.version.id) for sealed in one.tags)
        entering.reviews(one)
    for one in bundle.versions():
        if one.retraction is not None:
            entering.retract(one.version.id, one.retraction)
    return plan


class _Entering:
    """One bundle in one transaction."""

    def __init__(self, connection: Connection, bundle: BundleFile) -> None:
        self._connection = connection
        self._bundle = bundle
        self._largest = read_settings(connection).largest_part_bytes

    def state(self, id: str) -> str | None:
        """The state of a version in this registry; None for an unknown one."""
        return self._connection.execute(select(VersionRow.state).where(VersionRow.id == id)).scalar()

    def version(self, one: Portable, plan: ImportPlan) -> None:
        """Enter a version that is not known."""
        try:
            if one.version.receipt is None:
                self._average(one, plan)
            else:
                self._contribution(one, one.version.receipt, plan)
        except Refusal as refusal:
            raise Refusal(f"version {one.version.id[:12]}…: {refusal}") from refusal

    def bring_back(self, one: Portable, plan: ImportPlan) -> None:
        """Take those weights of a version that were collected here."""
        version = one.version
        for part in PARTS:
            digest = getattr(version, part)
            row = select(BlobRow.size).where(BlobRow.digest == digest, BlobRow.collected.is_not(None))
            if digest in self._bundle.weights and self._connection.execute(row).first() is not None:
                classes = len(task(self._connection, version.task).classes) if version.task is not None else 0
                tensors = architecture(self._connection, version.architecture).part(part, classes)
                self._place(one, (WantedPart(part, digest, tensors, None),), plan)

    def evaluation(self, digest: str) -> bool:
        """Enter counts of a version; False if they were known."""
        row = select(ContributionRow.state).where(ContributionRow.receipt == digest)
        if self._connection.execute(row).scalar() in ("admitted", "duplicate", "retracted"):
            return False
        sealed, receipt = self._bundle.receipt(digest)
        examined = examine(self._connection, receipt)
        if examined.version is not None or examined.evaluated is None:
            raise Refusal(f"receipt {digest[:12]}… is of a {receipt.assignment.kind}, not of an evaluation")
        known = answer(self._connection, receipt.work_id)
        if known is not None:
            keep_duplicate(self._connection, sealed, receipt, known)
            return False
        if is_closed(self._connection, receipt.work_id, receipt.node):
            return False
        admit(self._connection, sealed, examined)
        return True

    def tag(self, sealed: Sealed, id: str) -> bool:
        """Give a version its name; False if it had it."""
        tag = unseal(sealed, Tag)
        if tag.version != id:
            raise Refusal(f"tag {tag.name} is of another version than {id[:12]}…")
        if known_change(self._connection, sealed) is not None:
            return False
        add_tag(self._connection, sealed, tag)
        return True

    def reviews(self, one: Portable) -> None:
        """Enter the reviews of a version that was not reviewed here: a decision of this registry stands."""
        id = one.version.id
        if not one.reviews or self.state(id) != "admitted" or reviews_of(self._connection, id):
            return
        for sealed in one.reviews:
            review = unseal(sealed, Review)
            if review.version != id:
                raise Refusal(f"a review is of another version than {id[:12]}…")
            enter_review(self._connection, sealed, review)

    def retract(self, id: str, sealed: Sealed) -> None:
        """Take a version back that was taken back where the bundle comes from."""
        if self.state(id) == "retracted":
            return
        change = unseal(sealed, Retract)
        if self.state(change.version) is None:
            raise Refusal(f"version {id[:12]}… was taken back with {change.version[:12]}…, which is not here")
        if not is_made_of(self._connection, id, change.version):
            raise Refusal(f"version {id[:12]}… was taken back with {change.version[:12]}…, which it is not made of")
        number = known_change(self._connection, sealed)
        if number is None:
            number = enter_change(self._connection, sealed, change)
            text = f"taken back where a bundle comes from, by {by(sealed, change)}: {change.message}"
            record_event(self._connection, "retraction", change.version, text, about=sealed.digest)
        row = update(VersionRow).where(VersionRow.id == id)
        self._connection.execute(row.values(state="retracted", retraction=number))
        receipt = select(VersionRow.receipt).where(VersionRow.id == id).scalar_subquery()
        if change.version == id:
            contribution = update(ContributionRow).where(ContributionRow.receipt == receipt)
            self._connection.execute(contribution.values(state="retracted", reason=change.message))

    def _contribution(self, one: Portable, digest: str, plan: ImportPlan) -> None:
        sealed, receipt = self._bundle.receipt(digest)
        examined = examine(self._connection, receipt, retracted=True)
        if examined.version != one.version or (one.message, one.round, one.seconds) != ("", None, 0):
            raise Refusal("it is not what its receipt makes")
        self._weights(one, examined, plan)
        known = answer(self._connection, receipt.work_id)
        # a question that its maker has closed here gets no answer of theirs: the version is history only
        if known is None and not is_closed(self._connection, receipt.work_id, receipt.node):
            admit(self._connection, sealed, examined)
        else:
            admit_beside(self._connection, sealed, examined)

    def _average(self, one: Portable, plan: ImportPlan) -> None:
        version, rule = one.version, one.version.rule
        if rule.name != "combine" or rule.purpose is None:
            raise Refusal(f"a version that was made by {rule.name} has a receipt, and this one names none")
        question = Combination.of(version)
        inputs = gather(self._connection, question, past=True)
        made = Version(
            featurizer=version.featurizer,
            head=version.head,
            architecture=inputs.architecture.digest,
            task=inputs.task,
            parents=question.parents,
            rule=question.rule,
            receipt=None,
        )
        if made != version:
            raise Refusal("it is not what combining its parents makes")
        wanted = tuple(
            WantedPart(part, getattr(version, part), inputs.architecture.part(part, inputs.classes), None)
            for part in inputs.parts
        )
        self._place(one, wanted, plan)
        self._prove(version, inputs, plan)
        enter_version(self._connection, version, question.work_id, one.message, one.seconds, one.round)

    def _weights(self, one: Portable, examined: Examined, plan: ImportPlan) -> None:
        """Weights whose buffers must equal those of weights that are gone cannot be checked for that."""
        wanted = []
        for each in examined.wanted:
            gone = each.ancestor is not None and not live(self._connection, [each.ancestor])
            if gone and each.digest not in one.collected:
                plan.unproved.append(f"version {one.version.id[:12]}… starts from weights that were collected")
            wanted.append(WantedPart(each.part, each.digest, each.tensors, None) if gone else each)
        self._place(one, tuple(wanted), plan)

    def _place(self, one: Portable, wanted: tuple[WantedPart, ...], plan: ImportPlan) -> None:
        """Write the rows of a version's weights; those that were collected are known to have been there."""
        for each in wanted:
            if each.digest in one.collected:
                self._collected(each.digest, each.part, each.size)
                continue
            length = self._bundle.weights[each.digest].size
            if length != each.size:
                raise Refusal(f"its {each.part} has {length} bytes instead of {each.size}")
            if length > self._largest:
                raise Refusal(f"its {each.part} has {length} bytes; this registry takes at most {self._largest}")
            enter_blob(self._connection, each.digest, each.part, length)
            plan.wanted.append(each)

    def _collected(self, digest: str, part: Part, size: int) -> None:
        if self._connection.execute(select(BlobRow.digest).where(BlobRow.digest == digest)).first() is None:
            now = time.time()
            row = insert(BlobRow).values(digest=digest, part=part, size=size, created=now, collected=now)
            self._connection.execute(row)

    def _prove(self, version: Version, inputs: CombineInputs, plan: ImportPlan) -> None:
        digests = {digest for part in inputs.parts for digest, _ in inputs.shares(part)}
        if version.rule.revision != COMBINATION_REVISION:
            plan.unproved.append(f"average {version.id[:12]}… was made by another revision of averaging")
        elif digests - live(self._connection, digests).keys():
            plan.unproved.append(f"average {version.id[:12]}… cannot be computed again: weights were collected")
        else:
            plan.averages.append((version, inputs))
