"""A worker of gunicorn that serves by waitress: gunicorn minds the processes, waitress the
connections.

gunicorn's own workers give a client that sends or reads slowly a thread of its own. Waitress
receives whole requests and sends answers in one loop, and a thread is taken only while an answer is
being made. Added here are deadlines, and a bound of the connections of one client.
"""

import os
import resource
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from liqheat_project.webkit.clients import network_of

HEADER_SECONDS = 10.0
BODY_SECONDS = 300.0
SEND_SECONDS = 300.0
IDLE_SECONDS = 30.0
LINGER_SECONDS = 2.0
"""How long a process that stops still answers on connections that are open."""
MOST_CONNECTIONS = 2000
FILES_FOR_OTHERS = 200
"""File descriptors left for databases, Parquet files and the like."""


@dataclass(frozen=True)
class Bounds:
    """Of each web process: connections of one client (0: any number), memory above which the
    process makes room for a fresh one, bytes of a request's body, and proxies in front."""

    connections_of_client: int
    memory_mb: int
    body_bytes: int
    proxies: int


class Channel(HTTPChannel):
    """A connection that knows since when its request comes in, or its answer goes out."""

    receiving_since = sending_since = 0.0

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.receiving_since = time.time()
        return bool(super().received(data))

    def service(self) -> None:
        self.server.answered += 1
        if self.server.stopping:
            self.requests[0].headers["CONNECTION"] = "close"
        super().service()
        self.sending_since = time.time()

    @property
    def is_idle(self) -> bool:
        return not (self.requests or self.request or self.total_outbufs_len)

    def is_late(self, now: float) -> bool:
        if self.requests:
            return False  # its answer is being made
        if self.total_outbufs_len:
            return now - self.sending_since > SEND_SECONDS
        if self.request is None:
            return now - self.last_activity > IDLE_SECONDS
        seconds = BODY_SECONDS if self.request.headers_finished else HEADER_SECONDS
        return now - self.receiving_since > seconds


class Server(TcpWSGIServer):
    """Accepts connections, but only so many of one client, and ends those that are late."""

    answered = 0
    stopping = False
    connections_of_client = 0

    def channel_class(self, server: Any, sock: Any, address: Any, *others: Any, map: Any) -> None:
        """Called by waitress for each new connection."""
        client = network_of(address[0])
        if self.connections_of_client:
            held = Counter(network_of(one.addr[0]) for one in self.active_channels.values())
            if held[client] >= self.connections_of_client:
                sock.close()
                return
        Channel(server, sock, address, *others, map=map)

    def maintenance(self, now: float) -> None:
        for channel in list(self.active_channels.values()):
            if channel.is_late(now):
                channel.will_close = True

    def stop_accepting(self) -> None:
        self.stopping = True
        self.del_channel(self._map)  # the socket itself is shared with the other processes


class WaitressWorker(Worker):
    """What gunicorn runs in each web process. `bounds` is set by gunicorn.conf.py."""

    alive: bool
    bounds = Bounds(connections_of_client=0, memory_mb=2**20, body_bytes=2**20, proxies=0)

    def run(self) -> None:
        self.map: dict[int, Any] = {}
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(self.cfg.threads)
        self.servers = [self._server(one.sock, dispatcher) for one in self.sockets]
        while self.alive and self.ppid == os.getppid():
            self._turn()
            self.alive = self.alive and not self._has_had_enough()
        self._finish()
        dispatcher.shutdown(timeout=self.cfg.graceful_timeout)

    def _server(self, sock: Any, dispatcher: ThreadedTaskDispatcher) -> Server:
        bounds = self.bounds
        trusted: dict[str, Any] = {}
        if bounds.proxies:
            trusted = {
                "trusted_proxy": "*",
                "trusted_proxy_count": bounds.proxies,
                "trusted_proxy_headers": "x-forwarded-for",
            }
        adjustments = Adjustments(
            threads=self.cfg.threads,
            ident="",
            backlog=self.cfg.backlog,
            connection_limit=_connections(),
            cleanup_interval=1,
            max_request_header_size=65_536,
            max_request_body_size=bounds.body_bytes,
            outbuf_high_watermark=2**30,  # a thread never waits for a client that reads slowly
            clear_untrusted_proxy_headers=False,
            **trusted,
        )
        sock_info = (sock.family, sock.type, sock.proto, sock.getsockname())
        server = Server(
            self.wsgi,
            self.map,
            True,
            sock,
            dispatcher=dispatcher,
            adj=adjustments,
            bind_socket=False,
            sockinfo=sock_info,
        )
        server.connections_of_client = bounds.connections_of_client
        return server

    def _turn(self) -> None:
        self.notify()
        wasyncore.loop(timeout=1, use_poll=True, map=self.map, count=1)

    def _has_had_enough(self) -> bool:
        self.nr = sum(server.answered for server in self.servers)
        if self.nr >= self.max_requests:
            self.log.info("A fresh process follows after %d requests", self.nr)
            return True
        megabytes = _resident_mb()
        if megabytes > self.bounds.memory_mb:
            self.log.info("A fresh process follows at %d MB of memory", megabytes)
            return True
        return False

    def _finish(self) -> None:
        """Answers what was asked, for a moment also on connections that are open and idle."""
        for server in self.servers:
            server.stop_accepting()
        begun = time.monotonic()
        while True:
            waited = time.monotonic() - begun
            channels = [one for server in self.servers for one in server.active_channels.values()]
            busy = [one for one in channels if not one.is_idle]
            if not channels or waited > self.cfg.graceful_timeout:
                return
            if not busy and waited > LINGER_SECONDS:
                return
            self._turn()


def _connections() -> int:
    """How many connections there are file descriptors for, which are made as many as may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + FILES_FOR_OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(soft - FILES_FOR_OTHERS, 16))


def _resident_mb() -> float:
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * resource.getpagesize() / 2**20
