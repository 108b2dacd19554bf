"""The issuer's keys as last read, refreshed sparingly: rotation costs no valid token, a flood no fetches."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from auth.clock import Clock
from auth.key_file import KeyFile
from auth.key_source import KeySource
from auth.keys import PublishedKeys, VerificationKey
from auth.refusals import IssuerUnavailable, TokenFault, Unauthenticated

MAX_WAITING: Final = 1000

_log = structlog.get_logger("mizan.auth.keys")


@dataclass(frozen=True, slots=True)
class KeyAges:
    """Seconds: keys are read again after `fresh`, at most once per `refetch`, and used up to `stale`."""

    fresh: float
    refetch: float
    stale: float


@dataclass(frozen=True, slots=True)
class _Reading:
    keys: PublishedKeys
    started_at: float


class SigningKeys:
    """A cache of one issuer's keys for one event loop.

    A key id that is not known waits for a reading begun after the question, because the issuer may sign
    with a key the moment it publishes it. Readings are at least `ages.refetch` apart and never overlap,
    whatever is asked; so an unknown key id is answered within about that time. While the issuer fails,
    known keys are used until they are `ages.stale` old, then `IssuerUnavailable` is raised.
    """

    def __init__(self, source: KeySource, clock: Clock, ages: KeyAges, file: KeyFile | None = None) -> None:
        """`file` keeps the keys over a restart; they are as old there as when they were read."""
        self._source = source
        self._clock = clock
        self._ages = ages
        self._file = file
        self._reading = self._remembered()
        self._failure: IssuerUnavailable | None = None
        self._last_started: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting = 0

    async def find(self, key_id: str) -> VerificationKey:
        """The key with that id.

        Raises `Unauthenticated` if the issuer does not publish it or it is unsuitable, `IssuerUnavailable`
        if that cannot be told.
        """
        key = self._known(key_id, self._ages.fresh)
        if key is not None:
            return key
        stale = self._known(key_id, self._ages.stale)
        if stale is not None and self._failure is not None:
            self._start_reading()
            return stale
        if self._waiting >= MAX_WAITING:
            raise IssuerUnavailable("too many requests wait for the issuer's keys")
        self._waiting += 1
        try:
            return await self._find_in_new_reading(key_id, stale)
        finally:
            self._waiting -= 1

    async def load(self) -> None:
        """Make sure that usable keys are at hand. Raises `IssuerUnavailable`."""
        if self._age() <= self._ages.stale:
            return
        self._start_reading()
        await self._finish_reading()
        if self._age() > self._ages.stale:
            raise self._failure or IssuerUnavailable("the issuer's keys have not been read yet")

    async def close(self) -> None:
        """Stop a reading that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _find_in_new_reading(self, key_id: str, stale: VerificationKey | None) -> VerificationKey:
        asked_at = self._clock.elapsed()
        while True:
            if self._task is None and not self._start_reading():
                if self._failure is not None:
                    raise self._failure
                await self._clock.sleep(self._until_next())
                continue
            await self._finish_reading()
            if self._failure is not None:
                if stale is not None:
                    return stale
                raise self._failure
            key = self._known(key_id, self._ages.fresh)
            if key is not None:
                return key
            reading = self._reading
            if reading is not None and reading.started_at >= asked_at:
                unsuitable = key_id in reading.keys.unsuitable
                raise Unauthenticated(TokenFault.UNSUITABLE_KEY if unsuitable else TokenFault.UNKNOWN_KEY)

    def _known(self, key_id: str, max_age: float) -> VerificationKey | None:
        if self._reading is None or self._age() > max_age:
            return None
        return self._reading.keys.usable.get(key_id)

    def _age(self) -> float:
        if self._reading is None:
            return float("inf")
        return self._clock.elapsed() - self._reading.started_at

    def _until_next(self) -> float:
        if self._last_started is None:
            return 0.0
        return max(0.0, self._last_started + self._ages.refetch - self._clock.elapsed())

    def _start_reading(self) -> bool:
        """Begin a reading if none is under way and the interval allows it."""
        if self._task is not None or self._until_next() > 0:
            return False
        self._last_started = self._clock.elapsed()
        # A task of its own: the request that happened to start it may be cancelled, the others still wait.
        self._task = asyncio.create_task(self._read(self._last_started))
        return True

    async def _finish_reading(self) -> None:
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _read(self, started_at: float) -> None:
        try:
            keys = await self._source.read()
        except IssuerUnavailable as error:
            self._failure = error
            _log.warning("issuer_keys_unavailable", detail=error.detail)
        else:
            self._note_changes(keys)
            self._reading = _Reading(keys, started_at)
            self._failure = None
            if self._file is not None:
                await asyncio.to_thread(self._file.save, keys, self._clock.now())
        finally:
            self._task = None

    def _remembered(self) -> _Reading | None:
        kept = self._file.load() if self._file is not None else None
        if kept is None:
            return None
        age = max(0.0, self._clock.now() - kept.read_at)
        return _Reading(kept.keys, self._clock.elapsed() - age)

    def _note_changes(self, keys: PublishedKeys) -> None:
        before = self._reading.keys if self._reading else PublishedKeys({}, {})
        if before.usable.keys() != keys.usable.keys() or self._failure is not None:
            removed = sorted(before.usable.keys() - keys.usable.keys())
            _log.info("issuer_keys_read", key_ids=sorted(keys.usable), removed=removed)
        for key_id, reason in keys.unsuitable.items():
            if key_id not in before.unsuitable:
                _log.info("issuer_key_not_used", key_id=key_id, reason=reason)
