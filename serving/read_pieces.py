"""What a judge said of the pieces it has read, so that a growing text is not read again from its start."""

import hashlib
import secrets
from array import array
from collections import OrderedDict
from collections.abc import Mapping, Sequence


class ReadPieces:
    """The scores of the last `most` pieces, each under a keyed digest of exactly what was asked.

    All but the last piece of a growing text are the same prompts at every check. Neither texts nor tokens are
    kept, the key dies with the process, and a tenant's salt keeps its pieces from everybody else, timing
    included.
    """

    def __init__(self, most: int = 8192) -> None:
        self._most = most
        self._key = secrets.token_bytes(32)
        self._scores: OrderedDict[bytes, Mapping[str, float]] = OrderedDict()

    def recall(self, salt: str, labels: Sequence[str], tokens: Sequence[int]) -> Mapping[str, float] | None:
        """The scores of this very prompt, None where it was not read lately."""
        digest = self._digest(salt, labels, tokens)
        scores = self._scores.get(digest)
        if scores is not None:
            self._scores.move_to_end(digest)
        return scores

    def remember(
        self, salt: str, labels: Sequence[str], tokens: Sequence[int], scores: Mapping[str, float]
    ) -> None:
        """Keep the scores; what was not asked for longest gives way."""
        digest = self._digest(salt, labels, tokens)
        self._scores[digest] = scores
        self._scores.move_to_end(digest)
        if len(self._scores) > self._most:
            self._scores.popitem(last=False)

    def _digest(self, salt: str, labels: Sequence[str], tokens: Sequence[int]) -> bytes:
        digest = hashlib.blake2b(len(labels).to_bytes(8), key=self._key, digest_size=32)
        for text in (salt, *labels):
            spelled = text.encode("utf-8", "surrogatepass")
            digest.update(len(spelled).to_bytes(8))
            digest.update(spelled)
        digest.update(array("Q", tokens).tobytes())
        return digest.digest()
