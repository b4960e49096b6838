"""The driver of one round against a registry: the part that federation and rehearsal share.

It holds the facts of one round (a few hundred bytes a question), asks the registry for answers that are new, has
versions combined where their bytes are, and says what is open. It does not wait for combinations (`combiner`). Its
memory does not grow with the model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

from coordinator.admission import Admission
from coordinator.combiner import Combiner
from coordinator.endings import ending
from coordinator.estimate import removed
from coordinator.matching import can_do
from ratatouille.errors import Refusal
from ratatouille.exchange.change import Close
from ratatouille.exchange.dialect import METHOD_REVISION
from ratatouille.exchange.inspection import Inspected, Inspection
from ratatouille.exchange.order import Order
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination
from ratatouille.recipes.plan import Forecast, forecast, plan
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.round import Round
from ratatouille.wording import number_of
from registry.records import OVER, Result, RoundRecord
from registry.services.registry import Registry


class RoundDriver:
    """One round in progress."""

    def __init__(
        self,
        round: Round,
        registry: Registry,
        started: float,
        clock: Callable[[], float] = time.time,
        executor: Executor | None = None,
        signer: Signer | None = None,
        ended: float = math.inf,
    ) -> None:
        """`started` is when the round was set going, in seconds since 1970; its deadline counts from there.

        Combinations are computed in the executor's thread; without one, in a thread of the round's own. The signer
        enters the verdicts of the round's gate. Decisions of maintainers after a round has ended do not count.
        """
        self.round = round
        self.facts: dict[str, Result] = {}
        self.uncounted: set[str] = set()
        """Questions of counts that no node here answers, since their data was counted often enough."""
        self._registry = registry
        self._started = started
        self._clock = clock
        self._until = math.inf
        """Answers that came later do not count."""
        self._forecast_noted = False
        self.closed: frozenset[tuple[str, str]] = frozenset()
        """Keys of members (first) with the open questions (second) that they have closed for themselves."""
        self.lacking: frozenset[str] = frozenset()
        """Those of them that no node that is here may answer."""
        self._over = False
        self._retractions = 0
        """How many retractions there were when the facts were read."""
        self._used: set[str] = set()
        """Versions that the registry knows this round to build on."""
        self._planned: tuple[tuple[int, int, bool, frozenset[str], int], RoundPlan] | None = None
        self._forecast: tuple[tuple[int, frozenset[str], int], Forecast] | None = None
        self._admission = Admission(registry, round.id, signer, ended)
        self.combiner = Combiner(self._combined, executor)
        """Has the registry compute combinations; close it when the round is over, or is left."""

    @classmethod
    def of(
        cls,
        record: RoundRecord,
        registry: Registry,
        clock: Callable[[], float] = time.time,
        executor: Executor | None = None,
        signer: Signer | None = None,
    ) -> RoundDriver:
        """The driver of a round that the registry has.

        Its deadline counts from when it was last set going. One that is over stays as it ended: runs that came after
        the deadline would ask for another average than the one that was made.
        """
        started = {"requested": math.inf, "running": record.changed}.get(record.state, -math.inf)
        over = record.state in OVER
        ended = record.changed if over else math.inf
        made = cls(Round.from_json(record.spec), registry, started, clock, executor, signer, ended)
        made._over = over
        if made._over and made.closing:
            made._until = record.changed
        return made

    @property
    def closing(self) -> bool:
        """Whether the deadline has passed."""
        return self.round.deadline is not None and self._clock() > self._started + self.round.deadline

    def advance(self) -> RoundPlan:
        """The plan as of now: known answers are in it, and the registry computes the combinations that are open.

        Raises:
            Refusal: when gc has removed weights that the rest of the round reads, versions have no average, or work is
                open of a round that an earlier revision of the method began.
        """
        while True:
            found = self.gather()
            self._refuse_other_revision(found)
            self._note_forecast(found)
            self._register_used()
            self._refuse_removed()
            try:
                self._admission.enter(found)
                made = self.combiner.look({**found.inspections, **found.combinations})
            except Refusal:
                if not self._forget_retracted():  # a parent that was retracted a moment ago is asked for again
                    raise
                continue
            if not made:
                return found
            self.facts.update({id: answer for id, answer in made.items() if isinstance(answer, Result)})
            self._admission.learn({id: answer for id, answer in made.items() if isinstance(answer, Inspected)})

    def _combined(self, question: Combination | Inspection) -> Result | Inspected:
        if isinstance(question, Inspection):
            return self._registry.review.inspect(question)
        message = f"{question.purpose} of {len(question.parents)} for round {self.round.name}"
        return self._registry.work.combine(question, self.round.id, message)

    def gather(self) -> RoundPlan:
        """The plan as of now, from what the registry knows; nothing is changed."""
        self._forget_retracted()
        while True:
            found = self._plan()
            news = self._registry.work.results([work_id for work_id in found.questions if work_id not in self.facts])
            news = {work_id: result for work_id, result in news.items() if result.created <= self._until}
            self.facts.update(news)
            changed = self._update_closures(found) or self._admission.look(found)
            if not changed and not news and not self._leave_reviews(found):
                return found

    def _leave_reviews(self, found: RoundPlan) -> bool:
        """Of a round that is over: go on without the reviews that it ended without; True when there are any."""
        reviews = {id for id, order in found.orders.items() if order.about is not None} if self._over else set()
        self.leave_uncounted(reviews)
        return bool(reviews)

    def _update_closures(self, found: RoundPlan) -> bool:
        """Read which open questions members have closed; True when that changes which ones no node may answer.

        Of a running round only nodes that are here and hold the data count; of one that is over, none does.
        """
        if not self._registry.info().closures:
            return False
        asked = {id: one for id, one in found.questions.items() if isinstance(one, Order) and id not in self.facts}
        closed: dict[str, set[str]] = {}
        for sealed in self._registry.work.closures(list(asked)):
            closed.setdefault(Close.from_json(sealed.body).question, set()).add(sealed.node)
        offers = self._registry.work.offers() if closed and not self._over else []
        lacking = frozenset(
            work_id
            for work_id, keys in closed.items()
            if not any(offer.node not in keys and can_do(offer, asked[work_id]) for offer in offers)
        )
        self.closed = frozenset((key, work_id) for work_id, keys in closed.items() for key in keys)
        changed, self.lacking = lacking != self.lacking, lacking
        return changed

    def _refuse_other_revision(self, found: RoundPlan) -> None:
        """Refuse open work of a round that an earlier revision began: no node of this revision answers it."""
        if found.orders and self.round.revision != METHOD_REVISION:
            raise Refusal(
                f"this round began under revision {self.round.revision} of the method, and this release has revision "
                f"{METHOD_REVISION}; `ratatouille round run` with its file begins it anew, and what was made stays"
            )

    def _register_used(self) -> None:
        """Enter the versions that this round builds on, so that the registry keeps them as long as the round."""
        starts = (self.round.foundation, *(given.start for given in self.round.starts))
        versions = {start.version for start in starts} | {fact.version for fact in self.facts.values() if fact.version}
        if new := versions - self._used:
            self._registry.rounds.use(self.round.id, sorted(new))
            self._used |= new

    def _refuse_removed(self) -> None:
        """Refuse a round that builds on weights which gc has removed, before anything is trained."""
        if not any(fact.collected for fact in self.facts.values()):
            return
        if gone := removed(self.forecast(), self.facts):
            raise Refusal(
                f"gc has removed the weights of {number_of(len(gone), 'version')} that this round builds on, such as "
                f"{str(gone[0].version)[:12]}…; `ratatouille round run --fresh` makes them anew"
            )

    def _forget_retracted(self) -> bool:
        """Forget all facts after a retraction, so that they are read again; True when there was a new one.

        Questions whose answers were taken back are open again.
        """
        retractions = self._registry.info().retractions
        if retractions == self._retractions:
            return False
        self._retractions = retractions
        self.facts.clear()
        self._planned = self._forecast = None
        return True

    def forecast(self) -> Forecast:
        """All work of the round to its end, as far as the known facts determine it."""
        state = (len(self.facts), self.lacking, self._admission.version)
        if self._forecast is None or self._forecast[0] != state:
            self._forecast = (state, forecast(self.round, self.facts, self.lacking, self._admission.known))
        return self._forecast[1]

    def _note_forecast(self, found: RoundPlan) -> None:
        """Write once into the registry's log how much the round will ask: the web page shows its progress by that."""
        if self._forecast_noted or not (found.orders or found.combinations):
            return
        self._forecast_noted = True
        needed = self.forecast()
        known, asked = len(needed.known), len(needed.orders) + len(needed.combinations)
        self._registry.rounds.note(
            self.round.id, "plan", f"{known}/{asked}", f"{number_of(asked, 'question')}, {known} answered"
        )
        for gap in self.round.gaps:
            self._registry.rounds.note(self.round.id, "gap", "data", gap)

    def _plan(self) -> RoundPlan:
        """The plan for the facts that are here; walked again only when there are more of them, or the round closes."""
        state = (len(self.facts), len(self.uncounted), self.closing, self.lacking, self._admission.version)
        if self._planned is None or self._planned[0] != state:
            without = {work_id: Result(work_id=work_id, created=0.0) for work_id in self.uncounted}
            known = self._admission.known
            self._planned = (state, plan(self.round, without | self.facts, self.closing, self.lacking, known))
        return self._planned[1]

    def leave_uncounted(self, work_ids: Iterable[str]) -> None:
        """Go on without the counts of some evaluations and comparisons; one that comes after all counts."""
        self.uncounted |= set(work_ids)

    def over(self, found: RoundPlan) -> bool:
        """Whether nothing is left to do: the plan is done, or all that it lacks are counts that are not to be had."""
        return found.done or bool(self.uncounted and found.at_rest)

    def conclude(self, plan: RoundPlan) -> str:
        """Name in the registry the version in which each recipe ended; returns what `ending` does, or raises it."""
        reason = self.ending(plan)
        for outcome in plan.outcomes:
            if outcome.final is not None and outcome.final.version is not None:
                self._registry.rounds.name_result(self.round.id, outcome.recipe, outcome.final.version)
        return reason

    def ending(self, plan: RoundPlan) -> str:
        """The reason of a round that ends with this plan; raises as `endings.ending`."""
        return ending(self.round, plan, self.closing, len(self.uncounted - self.facts.keys()))

    @property
    def authors(self) -> dict[str, str]:
        """The key of the node that made each known version."""
        return {fact.version: fact.node for fact in self.facts.values() if fact.version and fact.node}

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds that each answer took on its node."""
        return {work_id: fact.seconds + fact.overhead for work_id, fact in self.facts.items()}
