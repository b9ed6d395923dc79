"""The cache: Redis with one client a thread, and of answers bytes."""

from functools import cached_property

import redis
from django.core.cache.backends.redis import RedisCache, RedisCacheClient


class BytesSerializer:
    """Keeps bytes as they are: nothing out of the cache is ever unpickled."""

    def dumps(self, value: bytes) -> bytes:
        if not isinstance(value, bytes):
            raise TypeError(f"this cache keeps bytes, not {type(value).__name__}")
        return value

    def loads(self, data: bytes) -> bytes:
        return data


class Cache(RedisCache):
    """Django's, which has an object for each thread, with a client that lives as long.

    Django makes a client for each command, which takes about as long as the command.
    """

    def __init__(self, server: str, params: dict) -> None:
        super().__init__(server, params)
        self._class = OneClient


class OneClient(RedisCacheClient):
    def get_client(self, key: object = None, *, write: bool = False) -> redis.Redis:
        return self._only_client

    @cached_property
    def _only_client(self) -> redis.Redis:
        return super().get_client(write=True)
