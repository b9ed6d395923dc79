"""Turns at something scarce, given out fairly among clients."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Full(Exception):
    """All places are taken."""


class FullForClient(Full):
    """The client holds as many places as it may."""


class FairQueue:
    """A queue of `places`, of which `at_once` have their turn at a time, and one client holds at
    most half. The next turn is that of the client with the fewest turns under way; among equals,
    of the one whose last turn began longest ago."""

    def __init__(self, places: int, at_once: int) -> None:
        self._places = places
        self._at_once = at_once
        self._changed = threading.Condition()
        self._waiting: list[tuple[object, str]] = []
        self._held: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._last_turn: dict[str, int] = {}
        self._turns = 0

    @property
    def held(self) -> int:
        """How many places are taken."""
        return self._held.total()

    @property
    def places_of_client(self) -> int:
        return max(self._places // 2, 1)

    @contextmanager
    def turn(self, client: str) -> Iterator[None]:
        """Waits for a turn and has it for as long as the block runs. Raises Full or FullForClient
        at once where no place is free."""
        ticket = object()
        with self._changed:
            self._take_place(client)
            self._waiting.append((ticket, client))
            try:
                while self._next() is not ticket:
                    self._changed.wait()
            except BaseException:
                self._waiting.remove((ticket, client))
                self._give_back(client)
                raise
            self._waiting.remove((ticket, client))
            self._turns += 1
            self._last_turn[client] = self._turns
            self._running[client] += 1
            self._changed.notify_all()  # there may be room for another
        try:
            yield
        finally:
            with self._changed:
                self._running[client] -= 1
                self._give_back(client)

    def _take_place(self, client: str) -> None:
        if self._held.total() >= self._places:
            raise Full
        if self._held[client] >= self.places_of_client:
            raise FullForClient
        self._held[client] += 1

    def _give_back(self, client: str) -> None:
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client], self._running[client]
            self._last_turn.pop(client, None)
        self._changed.notify_all()

    def _next(self) -> object | None:
        if self._running.total() >= self._at_once or not self._waiting:
            return None
        ticket, _ = min(
            self._waiting,
            key=lambda one: (self._running[one[1]], self._last_turn.get(one[1], 0)),
        )
        return ticket
