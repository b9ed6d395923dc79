"""Turns are given out fairly, whatever one client asks for."""

import threading

import pytest

from liqheat_project.webkit.fair_queue import FairQueue, Full, FullForClient
from tests.support.services import wait_until


class Asker(threading.Thread):
    """Takes a turn, writes its name down, and holds the turn until it is let go."""

    def __init__(self, queue: FairQueue, client: str, order: list[str]) -> None:
        super().__init__()
        self.queue, self.client, self.order = queue, client, order
        self.let_go = threading.Event()
        held = queue.held
        self.start()
        wait_until(lambda: queue.held > held, 10, "its place")

    def run(self) -> None:
        with self.queue.turn(self.client):
            self.order.append(self.client)
            self.let_go.wait(30)


def test_who_comes_later_has_the_next_turn_before_a_client_that_has_had_one():
    queue, order = FairQueue(places=8, at_once=1), []
    askers = [Asker(queue, name, order) for name in "aaabbc"]
    for count, expected in enumerate(("a", "b", "c", "a", "b", "a"), start=1):
        wait_until(lambda count=count: len(order) == count, 10, "the next turn")
        assert order[-1] == expected
        running = next(one for one in askers if one.client == expected and not one.let_go.is_set())
        running.let_go.set()
        running.join()
    assert queue.held == 0


def test_a_client_holds_half_of_the_places_and_all_hold_no_more_than_there_are():
    queue, order = FairQueue(places=4, at_once=2), []
    askers = [Asker(queue, "a", order) for _ in range(2)]
    with pytest.raises(FullForClient), queue.turn("a"):
        pass
    askers += [Asker(queue, name, order) for name in "bc"]
    with pytest.raises(Full), queue.turn("d"):
        pass
    for asker in askers:
        asker.let_go.set()
    for asker in askers:
        asker.join()
    assert (queue.held, sorted(order)) == (0, ["a", "a", "b", "c"])
