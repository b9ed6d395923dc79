"""Connections to PostgreSQL that end soon after the other host has gone.

A host that loses its power or its network says no goodbye. Without keepalives the server would keep
its session, and the locks of that session, for more than two hours; and a program here would wait
as long for an answer.
"""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# Found out after 20 s: by this end for the server, and by the server for this end.
CLIENT = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
SERVER = {
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def options(given: dict[str, Any]) -> dict[str, Any]:
    """libpq's parameters with keepalives on both ends; what was `given` stands before ours."""
    ours = " ".join(f"-c {name}={value}" for name, value in SERVER.items())
    return CLIENT | given | {"options": f"{ours} {given.get('options') or ''}".strip()}


def kept_alive(url: str) -> str:
    """The address of a database in libpq's key=value form, with keepalives on both ends."""
    return make_conninfo("", **options(conninfo_to_dict(url)))


def is_transaction_pooler(address: str) -> bool:
    """Whether a pooler answers there that gives a session's next statement to any of the server's.

    A pooler makes up the numbers of its sessions, and such a one lets two of them, both open, run
    in one and the same session of the server. A busy one may hide it.
    """
    try:
        with psycopg.connect(address, autocommit=True) as first:
            if _number(first) == first.info.backend_pid:
                return False
            with psycopg.connect(address, autocommit=True) as second:
                return _number(first) == _number(second)
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" in str(error):  # what PgBouncer says to our options
            return True
        raise


def _number(connection: "psycopg.Connection[Any]") -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])
