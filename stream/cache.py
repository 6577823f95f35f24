"""What the engine keeps of each key between queries, under a budget of bytes.

1. `bytes` is the sum of the weights last taken; a key is weighed when it comes in and every WEIGH_EVERY rows.
2. After `weigh`, `bytes <= budget`: keys go, least recently asked first; the last one keeps less of itself,
   if it can (mode auto).
3. A key that alone is heavier than the budget goes too, and stays away for its next RETRY_AFTER queries: its
   windows may have emptied by then.
"""

from __future__ import annotations

from collections import OrderedDict

from stream.key_cache import KeyCache

WEIGH_EVERY = 1024  # rows pushed
RETRY_AFTER = 256  # queries


class Kept:
    """Keys with what is kept of them."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.bytes = 0
        self._caches: OrderedDict[str, KeyCache] = OrderedDict()
        self._weights: dict[str, int] = {}
        self._oversized: dict[str, int] = {}  # by key, for how many more queries

    def __len__(self) -> int:
        return len(self._caches)

    def items(self) -> list[tuple[str, KeyCache]]:
        """Return all keys with what is kept of them."""
        return list(self._caches.items())

    def peek(self, key: str) -> KeyCache | None:
        """Return what is kept of KEY."""
        return self._caches.get(key)

    def get(self, key: str) -> KeyCache | None:
        """Return what is kept of KEY, which becomes the most recent."""
        cache = self._caches.get(key)
        if cache is not None:
            self._caches.move_to_end(key)
        return cache

    def put(self, key: str, cache: KeyCache) -> None:
        """Keep CACHE for KEY; it weighs nothing until it is weighed."""
        self._caches[key] = cache

    def drop(self, key: str) -> None:
        """Keep nothing of KEY any more."""
        if self._caches.pop(key, None) is not None:
            self.bytes -= self._weights.pop(key, 0)

    def clear(self) -> None:
        """Keep nothing of any key."""
        self._caches.clear()
        self._weights.clear()
        self._oversized.clear()
        self.bytes = 0

    def fits(self, key: str) -> bool:
        """Tell whether KEY may be kept for the query that asks, as far as is known."""
        left = self._oversized.pop(key, 0)
        if left > 1:
            self._oversized[key] = left - 1
        return not left

    def reconsider(self) -> None:
        """Forget which keys were too heavy: what is kept of a key has changed."""
        self._oversized.clear()

    def resize(self, budget: int) -> None:
        """Set the budget, which is obeyed at once."""
        self.budget = budget
        self._oversized.clear()
        self._evict()
        self._reconsider()

    def weigh(self, key: str) -> None:
        """Weigh what is kept of KEY, and drop keys until the rest fits."""
        cache = self._caches.get(key)
        if cache is not None:
            cache.tidy()
            self._take_weight(key, cache)
            self._evict()
            self._reconsider()

    def _take_weight(self, key: str, cache: KeyCache) -> None:
        weight = cache.bytes
        self.bytes += weight - self._weights.get(key, 0)
        self._weights[key] = weight
        cache.unweighed = 0

    def _reconsider(self) -> None:
        """Let keys that keep less than all choose anew in the room that there is."""
        for key, cache in self._caches.items():
            cache.reconsider(self.budget - self.bytes + self._weights.get(key, 0))

    def _evict(self) -> None:
        while self.bytes > self.budget:
            key, cache = next(iter(self._caches.items()))
            if len(self._caches) == 1 and cache.fit(self.budget):
                self._take_weight(key, cache)
                continue
            if self._weights.get(key, 0) > self.budget:
                self._oversized[key] = RETRY_AFTER
            self.drop(key)
