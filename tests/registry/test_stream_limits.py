from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from ratatouille.errors import Unreachable
from registry.transport.stream_limits import LeastRate, StreamLimit, peer_name
from registry.transport.waits import Waits


def test_places_are_limited_in_all_and_for_each_holder() -> None:
    places = StreamLimit("pushes", 3, {"key": 1})
    with ExitStack() as stack:
        stack.enter_context(places.slot(peer="a", key="x"))
        with pytest.raises(Unreachable, match="this key has 1 pushes already"):
            stack.enter_context(places.slot(peer="a", key="x"))
        stack.enter_context(places.slot(peer="a", key="y"))
        stack.enter_context(places.slot(peer="a", key="z"))
        with pytest.raises(Unreachable, match="the registry has 3 pushes already"):
            stack.enter_context(places.slot(peer="b", key="w"))
    with places.slot(peer="a", key="x"):
        pass


def test_the_oldest_that_says_nothing_gives_its_place() -> None:
    ended: list[str] = []
    waits = Waits(2)
    with (
        waits.waiting(lambda: ended.append("first"), 60),
        waits.waiting(lambda: ended.append("second"), 60),
        waits.waiting(lambda: ended.append("third"), 60),
    ):
        assert ended == ["first"]
    assert ended == ["first"]


def test_what_waits_has_no_more_than_a_size_together_and_the_latest_always_has_a_place() -> None:
    ended: list[str] = []
    waits = Waits(10)
    first = waits.begin(lambda: ended.append("first"), 60, 4)
    waits.begin(lambda: ended.append("second"), 60, 4)
    waits.over(first)
    waits.over(first)
    waits.begin(lambda: ended.append("third"), 60, 6)
    assert ended == []
    waits.begin(lambda: ended.append("fourth"), 60, 11)
    assert ended == ["second", "third"]
    waits.begin(lambda: ended.append("fifth"), 60, 1)
    assert ended == ["second", "third", "fourth"]


def test_a_peer_on_this_machine_is_its_user() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        host, port = client.getsockname()
        assert peer_name(f"ipv4:{host}:{port}") == f"user {os.getuid()}"
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        assert peer_name(f"ipv6:%5B::1%5D:{client.getsockname()[1]}") == f"user {os.getuid()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as both:
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.connect(("::ffff:127.0.0.1", server.getsockname()[1]))  # as gRPC does
        assert peer_name(f"ipv4:127.0.0.1:{both.getsockname()[1]}") == f"user {os.getuid()}"


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("ipv4:192.0.2.7:50312", "192.0.2.7"),
        ("ipv6:%5B2001:db8::7%5D:50312", "2001:db8::7"),
        ("ipv4:127.0.0.1:1", "127.0.0.1"),
        ("unix:/run/registry", "unix:/run/registry"),
        ("", ""),
    ],
)
def test_any_other_peer_is_its_address_without_the_port(peer: str, name: str) -> None:
    assert peer_name(peer) == name


def test_a_pace_counts_only_the_time_that_the_other_side_takes() -> None:
    ended = threading.Event()
    with LeastRate(0.3, 10, ended.set) as rate:
        time.sleep(0.6)  # our own work
        assert not ended.is_set()
        for _ in range(5):
            rate.wait()
            time.sleep(0.1)
            rate.moved(10)
        assert not ended.is_set()
        rate.wait()
        assert ended.wait(60)
        assert rate.expired
