"""Tokens that were verified a moment ago, so that the next request of a conversation costs a hash."""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from auth.principal import Principal


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """The outcome of a verification and the key it rests on."""

    principal: Principal
    key_id: str
    thumbprint: str


def digest(token: str) -> bytes:
    """The SHA-256 of a token: what is remembered instead of the token itself."""
    return sha256(token.encode("ascii")).digest()


class VerifiedTokens:
    """The `capacity` most recently used verified tokens, none of them past its `exp`."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, token_digest: bytes, now: float) -> VerifiedToken | None:
        """What was found for that token, if it has not expired at `now`."""
        entry = self._entries.get(token_digest)
        if entry is None:
            return None
        if now >= entry.principal.expires_at:
            del self._entries[token_digest]
            return None
        self._entries.move_to_end(token_digest)
        return entry

    def put(self, token_digest: bytes, entry: VerifiedToken) -> None:
        """Remember a verified token, forgetting the least recently used beyond the capacity."""
        self._entries[token_digest] = entry
        self._entries.move_to_end(token_digest)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
