"""The renewal of a node's offer: every few seconds while it works; the offer is withdrawn when it rests or leaves.

The owner hears what changes meanwhile: whether the registry answers, what is parked, how a round ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from functools import partial

from contributor_client.ended_rounds import EndedRounds
from contributor_client.node_enrolment import NodeEnrolment, fleet_address
from contributor_client.parking import Parking
from contributor_client.work_lane import WorkLane
from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.membership import OfferWithdrawal, make_offer
from ratatouille.exchange.signing import Signer
from ratatouille.home import SHORT_KEY
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.node import NodeSettings
from registry.services.registry import Registry

_log = logging.getLogger(__name__)
OFFER_SECONDS = 20.0
"""How long an offer stands after its last renewal."""
RENEW_SECONDS = 5.0


class OfferRenewal:
    """Renews and withdraws the offer of one node, and tells its owner what it sees in the registry."""

    def __init__(
        self,
        settings: NodeSettings,
        signer: Signer,
        registry: Registry,
        holdings: Collection[LocalData],
        parking: Parking,
        say: Callable[[str], None],
        enrolment: NodeEnrolment,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entrance, self._clock = enrolment, clock
        self._settings, self._signer, self._registry = settings, signer, registry
        self._holdings, self._parking, self._say = holdings, parking, say
        self._ended_rounds = EndedRounds(registry, signer.node)
        self._reachable, self._joined = True, False
        self._parked: set[str] = set()
        self._next = 0.0
        self.answered, self.problem = 0.0, ""
        """When the registry last took the offer, in seconds since 1970, and why it did not take the last one."""
        self._refused = ""
        """Why the registry takes no offer of this node any more; the owner hears it once."""

    def warn_of_namesakes(self) -> None:
        """Warn the owner when another node here has the same name."""
        name, node = self._settings.name, self._signer.node
        namesakes = [one.node for one in self._registry.work.offers() if one.name == name and one.node != node]
        if namesakes:
            keys = ", ".join(key[:SHORT_KEY] for key in namesakes)
            self._say(
                f"warning: another node is called {name} too (key {keys}); this one has the key "
                f"{node[:SHORT_KEY]}. Everybody sees both with their keys; another `name` in the node's file is clearer"
            )

    def renew(self, lane: WorkLane, rounds: Collection[str], address: str) -> None:
        """Renew the offer if it is time, or the work lane has news; `rounds` are those that the node worked for."""
        if not lane.has_news() and self._clock() < self._next:
            return
        self._say_what_is_parked()
        try:
            if lane.behind_front:
                self._entrance.clock.look(soon=lane.refused)
            info = self._registry.info()
            connected = lane.look(fleet_address(info, address), partial(self._entrance.enter, info))
            offer = make_offer(
                self._signer,
                self._settings.name,
                self._holdings,
                self._settings.device_kind,
                self._settings.trains,
                OFFER_SECONDS,
                parked=self._parking.offered(),
                hears_orders=connected,
                workers=len(self._settings.devices),
            )
            self._registry.work.offer(offer)
            self.answered, self.problem = time.time(), ""
            if connected and not self._joined:
                self._joined = True
                self._say(f"node {self._settings.name} ({self._signer.node[:SHORT_KEY]}) has joined {address}")
            if not self._reachable:
                _log.info("the registry at %s answers again", address)
            self._reachable = True
            for sentence in self._ended_rounds.sentences(rounds):
                self._say(sentence)
        except Unreachable as error:
            self.problem = str(error)
            if self._reachable:
                _log.warning("%s; the node goes on and tries again", error)
            self._reachable = False
        except Refusal as error:
            self._refused = str(error)
            raise
        self._next = self._clock() + RENEW_SECONDS

    def withdraw(self) -> None:
        """Withdraw the offer, so that the node gets no work for now."""
        self._joined, self._next = False, 0.0
        withdrawal = OfferWithdrawal(node=self._signer.node, issued=time.time())
        try:
            self._registry.work.withdraw_offer(self._signer.seal(withdrawal))
        except Unreachable:
            _log.warning("the offer was not withdrawn: the registry does not answer; it ends by itself")
        except Refusal as error:
            if str(error) != self._refused:
                _log.warning("the offer was not withdrawn: %s", error)

    def _say_what_is_parked(self) -> None:
        """Say what the node does no work with for now, if it is new."""
        places = {place.sentence: place for place in self._parking.active()}
        for sentence in places.keys() - self._parked:
            place = places[sentence]
            what = "its data of one task" if place.fingerprint else "this node"
            until = time.strftime("%H:%M", time.localtime(place.until))
            self._say(f"parked: {sentence}; no work with {what} until {until}, or until the node is started again")
        if self._parked and not places:
            self._say("nothing is parked any more: the node takes work again")
        self._parked = set(places)
