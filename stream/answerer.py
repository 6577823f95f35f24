"""The values of one query, computed as the mode says: from the log, from what is kept, or from memory alone.

A query before an earlier one is answered by a scan of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featuregraph import FeatureVector, Plan
from stream.answers import Asked
from stream.batch import Batch
from stream.binding import Binding, Reading
from stream.cache import WEIGH_EVERY, Kept
from stream.choice import STATES, Choice, Chooser
from stream.event_rows import EventRows
from stream.follower import Follower
from stream.installed import Installed, Together
from stream.key_cache import KeyCache, Read
from stream.key_rows import KeyRows, read_rows
from stream.key_state import KeyState
from stream.log import EventLog
from stream.mode import KEEPING, RUNNING, Mode
from stream.pace import Pace
from stream.reads import decoding, from_then, known, reached, scan
from stream.restart import resumed, save


class Answerer:
    """Answers from LOG and from what is KEPT, which FOLLOWER brings up to date."""

    def __init__(
        self,
        log: EventLog,
        kept: Kept,
        follower: Follower,
        together: Together,
        *,
        mode: Mode,
        pace: Pace,
        chooser: Chooser | None,
    ) -> None:
        """Serve the plans TOGETHER; the rest as an engine takes it."""
        self.together = together  # the installed plans of now
        self._log = log
        self._kept = kept
        self._follower = follower
        self._mode: Mode = mode
        self._pace = pace
        self._chooser = chooser
        # What nobody else can have moved, and is held, is answered without the log.
        self.remembers = mode in RUNNING and not log.read_only

    def from_memory(self, plan: Plan, key: str, t: int, q: Mapping[str, Any]) -> FeatureVector | None:
        """Return the answer where all that it reads is held and has been told; None: the log must be read."""
        try:
            return self._from_memory(plan, key, t, q)
        except BaseException as error:
            self._follower.failed(error)
            raise

    def _from_memory(self, plan: Plan, key: str, t: int, q: Mapping[str, Any]) -> FeatureVector | None:
        follower = self._follower
        now = self._log.still_at(follower.generation, follower.cursor)
        if now is None:
            return None
        if follower.pending:
            follower.drain()
        kept = self._kept.get(key)
        if not isinstance(kept, KeyState) or kept.stale or t < kept.t:
            return None
        serving = self.together.serving(kept.choice)
        if kept.binding is not serving.binding or serving.asked[plan.id].logged:
            return None
        values = self._answered(kept, serving.asked[plan.id], key, t, q, _nowhere)
        return FeatureVector(values, plan.id, t, now.known_ms, plan.partial(t, now.history_start_ms))

    def as_known(
        self, installed: Installed, key: str, t: int, q: Mapping[str, Any], start: int
    ) -> dict[str, Any]:
        """Return the values of what was known at T of the events from START on (SEMANTICS 3.5)."""
        rows = scan(self._log, installed.alone, known(self._log, key, t, start), t)
        return _folded(installed.plan, rows, t, q)

    def values(self, installed: Installed, key: str, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of one plan in the engine's mode, inside a snapshot of the log."""
        plan = installed.plan
        if self._mode == "naive":
            return self._naive(installed, key, t, q)
        kept = self._keep(key, t)
        if kept is None:
            return _folded(plan, self._scan(key, installed.alone, t), t, q)
        serving = self.together.serving(kept.choice)

        def decoded(reading: Reading, since: int | None) -> Batch:
            with decoding(self._log):
                if since is None:
                    return read_rows(reading, reached(self._log, key, t), to_keep=False)
                return reading.decoder.load(from_then(self._log, key)(reading.decoder, since))

        return self._answered(kept, serving.asked[plan.id], key, t, q, decoded)

    def _naive(self, installed: Installed, key: str, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
        raw: list[Any] = []
        for bindings, read in installed.features:
            states = [self._scan(key, binding, t).fold([0], t, q)[0] for binding in bindings]
            raw.extend(read(states, t, q))
        return installed.plan.publish(tuple(raw))

    def _scan(self, key: str, binding: Binding, t: int) -> KeyRows:
        return scan(self._log, binding, reached(self._log, key, t, t + 1), t)

    def _answered(
        self, kept: KeyCache, asked: Asked, key: str, t: int, q: Mapping[str, Any], read: Read
    ) -> dict[str, Any]:
        """Return what KEPT of KEY answers; see to it that it is saved and weighed when that is due."""
        values = kept.answer(asked, t, q, read)
        if kept.unsaved >= self._pace.most_unsaved:
            self._save(key, kept)
        if kept.unweighed > WEIGH_EVERY:
            self._kept.weigh(key)
        return values

    # ---- what is kept of a key

    def save(self) -> None:
        """Save the states of all keys of which enough rows came since."""
        if self._follower.generation == self._log.generation:
            self._follower.drain()
            for key, kept in self._kept.items():
                if kept.unsaved >= self._pace.least_marked:
                    self._save(key, kept)

    def _save(self, key: str, kept: KeyCache) -> None:
        save(self._log, key, kept, self.together.binding, self._follower)

    def _keep(self, key: str, t: int) -> KeyCache | None:
        """Return what is kept of KEY for a query at T, None where a scan must answer it."""
        if self._mode not in KEEPING:
            return None
        choice = STATES
        kept = self._kept.get(key)
        if kept is not None and kept.stale:
            self._kept.drop(key)
            choice, kept = kept.choice, None
        if kept is None:
            if not self._kept.fits(key):
                return None
            kept = self._resumed(key, t, choice) or self._loaded(key, t, choice)
            self._kept.put(key, kept)
        if t < kept.t:
            return None
        binding = self._serve(kept.choice)
        if kept.binding is not binding:
            with decoding(self._log):
                kept.move(binding, reached(self._log, key, kept.t))
        return kept

    def _resumed(self, key: str, t: int, choice: Choice) -> KeyState | None:
        """Return what was saved of KEY, where it is kept as a whole: nothing else is saved."""
        if self._mode == "cached" or self._chooser is not None or choice != STATES:
            return None
        return resumed(self._log, key, t, lambda at: self._state(at, choice), self._follower, self._pace)

    def _loaded(self, key: str, t: int, choice: Choice) -> KeyCache:
        """Return KEY as it is kept in the ways of CHOICE, read from the log."""
        cached = self._mode == "cached"
        kept = EventRows(self.together.binding, t) if cached else self._state(t, choice)
        with decoding(self._log):
            kept.load(reached(self._log, key, t), t)
        return kept

    def _state(self, t: int, choice: Choice) -> KeyState:
        """Return room for the states of a key."""
        if self._chooser is not None:
            choice = self._chooser(self.together.binding.layout)
        fits = self._mode == "auto" and self._chooser is None
        return KeyState(self._serve(choice), t, choice, self._serve if fits else None)

    def _serve(self, choice: Choice) -> Binding:
        return self.together.serving(choice).binding


def _folded(plan: Plan, rows: KeyRows, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
    return plan.publish(plan.read(rows.fold(range(len(plan.aggregates)), t, q), t, q))


def _nowhere(_: Reading, __: int | None) -> Batch:
    raise AssertionError("all that is read is held, so that nothing is read from the log")
