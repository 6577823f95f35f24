"""The device as a machine: a state, an event and a moment lead to another state and to actions. Pure.

1. `step` never changes the state that it is given, asks no clock, and draws chance from the seed alone.
2. Actions are done in their order; a Save comes first: what it holds is on the disk before anything else is
   done. If it can not be saved nothing of the step is done, and the state before takes `Unsaved`.
3. At any moment each task has a release that was proved here, or runs what the app has built in.
4. The ruleset never goes back. 5. What is bad is never run again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from deploy.device import course
from deploy.device.kept import Kept
from deploy.device.settings import Settings
from deploy.device.state import BUSY, NEVER, State, Turn
from deploy.device.words import (
    Action,
    Answered,
    Check,
    Counted,
    Event,
    Failed,
    Fetched,
    Hinted,
    Network,
    Proved,
    Quiet,
    Save,
    Send,
    Sent,
    Started,
    Unanswered,
    Unchanged,
    Unsaved,
    Unsent,
    Woke,
)

__all__ = ["State", "begin", "step"]

_MOST_WAIT_MS: Final = 9 * 86_400_000  # longer than any wait of ours: a clock was set back


def begin(kept: Kept) -> State:
    """Return the state of a device that knows KEPT; its first event is Started."""
    return State(kept)


def step(settings: Settings, state: State, event: Event, now_ms: int) -> tuple[State, list[Action]]:
    """Return what EVENT at NOW_MS makes of STATE, and what is to be done, in order."""
    turn = Turn(settings, state, now_ms)
    _RULES[type(event)](turn, event)
    _proceed(turn)
    new, actions = turn.state, turn.actions
    if new.kept is not state.kept and new.kept != state.kept:
        actions.insert(0, Save(new.kept))
    return new, actions


# ---------------------------------------------------------------- checks and reports


def _started(turn: Turn, event: Started) -> None:
    turn.state.check_ms = turn.within(turn.settings.spread_s)
    turn.state.alive_ms = turn.within(turn.settings.alive_s)
    turn.state.send_ms = turn.within(turn.settings.report_s)  # some may wait since before
    course.started(turn, event)


def _woke(turn: Turn, event: Woke) -> None:
    """Do nothing: what is due is looked at after each event, and this one tells only that time went by."""


def _answered(turn: Turn, event: Answered) -> None:
    state = turn.state
    if event.manifest.ruleset < state.kept.ruleset:
        found = f"found {event.manifest.ruleset}; an old answer was played again"
        _unanswered(turn, Unanswered(f"ruleset: expected {state.kept.ruleset} or later, {found}"))
        return
    state.poll_s, state.etag = event.poll_s, event.etag
    state.until_ms = turn.now_ms + event.left_ms
    _unchanged(turn, Unchanged())
    course.settle(turn, event)


def _unchanged(turn: Turn, event: Unchanged) -> None:
    state, jitter = turn.state, turn.settings.jitter
    state.checking, state.misses, state.error = False, 0, ""
    wait_s = state.poll_s * (1 - jitter + 2 * jitter * turn.draw())
    state.check_ms = turn.now_ms + int(1_000 * wait_s)


def _unanswered(turn: Turn, event: Unanswered) -> None:
    state = turn.state
    state.checking, state.error = False, event.error
    state.misses += 1
    state.check_ms = turn.backoff(state.misses)
    if event.retry_after_s:
        wait_ms = 1_000 * min(event.retry_after_s, turn.settings.most_retry_after_s)
        state.floor_ms = turn.now_ms + wait_ms
        state.check_ms += wait_ms


def _hinted(turn: Turn, event: Hinted) -> None:
    state = turn.state
    state.check_ms = max(state.floor_ms, min(state.check_ms, turn.within(event.jitter_s)))


def _network(turn: Turn, event: Network) -> None:
    state = turn.state
    if event.online and not state.online and state.check_ms <= turn.now_ms:
        state.check_ms = turn.within(turn.settings.spread_s)  # not all devices of a mast at once
    state.online, state.metered = event.online, event.metered


def _sent(turn: Turn, event: Sent) -> None:
    turn.state.sending, turn.state.unsent = False, 0
    turn.state.send_ms = turn.now_ms if event.more else NEVER


def _unsent(turn: Turn, event: Unsent) -> None:
    state = turn.state
    state.sending = False
    state.unsent += 1
    wait_ms = 1_000 * min(event.retry_after_s, turn.settings.most_retry_after_s)
    state.send_ms = turn.backoff(state.unsent) + wait_ms


def _unsaved(turn: Turn, event: Unsaved) -> None:
    """Stop what the service stops, run what ran, all the same; try the rest again. Nothing is kept by it."""
    lost = event.event
    course.postpone(turn)
    if isinstance(lost, Answered):
        course.halted(turn, lost)
        _unanswered(turn, Unanswered(event.error))
    elif isinstance(lost, Started):
        _started(turn, Started())
    elif isinstance(lost, Fetched | Proved | Failed):
        course.missed(turn, Failed(lost.task, lost.wanted, "refused", event.error))


# ---------------------------------------------------------------- what is due


def _proceed(turn: Turn) -> None:
    """Begin what is due, and tell when to be woken for the rest."""
    state, now_ms = turn.state, turn.now_ms
    if state.check_ms - now_ms > _MOST_WAIT_MS and state.check_ms != NEVER:
        state.check_ms = now_ms
    if state.online and not state.checking and state.check_ms <= now_ms:
        state.checking = True
        turn.actions.append(Check(state.etag if now_ms <= state.until_ms else ""))
    if state.alive_ms <= now_ms:
        _tell_alive(turn)
    if state.online and not state.sending and state.send_ms <= now_ms:
        state.sending, state.send_ms = True, NEVER
        turn.actions.append(Send())
    due_ms = state.alive_ms
    if state.online:
        due_ms = min(due_ms, NEVER if state.checking else state.check_ms, state.send_ms)
    state.due_ms = min(due_ms, _go_on(turn)) if state.works else due_ms


def _go_on(turn: Turn) -> int:
    """Activate what waited too long, begin to fetch one release; return when to look again."""
    state, now_ms = turn.state, turn.now_ms
    if now_ms > state.until_ms:
        return NEVER  # the next check is due anyway
    due_ms = NEVER
    may_fetch = state.online and (turn.settings.metered or not state.metered)
    busy = any(work.phase in BUSY for work in state.works.values())
    for name, work in state.works.items():
        if work.phase == "ready" and work.until_ms <= now_ms:
            course.activate(turn, name, work)
        elif work.phase == "waiting" and may_fetch and not busy and work.until_ms <= now_ms:
            busy = True
            course.begin(turn, name, work)
        elif work.phase == "ready" or (work.phase == "waiting" and may_fetch and not busy):
            due_ms = min(due_ms, work.until_ms)
    return due_ms


def _tell_alive(turn: Turn) -> None:
    for name, task in turn.state.kept.tasks.items():
        if task.active is not None and not task.halted:
            turn.report(name, task.active, "alive")
    turn.state.alive_ms = turn.now_ms + 1_000 * turn.settings.alive_s


_RULES: Final[dict[type[Any], Callable[[Turn, Any], None]]] = {
    Started: _started,
    Woke: _woke,
    Answered: _answered,
    Unchanged: _unchanged,
    Unanswered: _unanswered,
    Hinted: _hinted,
    Network: _network,
    Fetched: course.fetched,
    Proved: course.proved,
    Failed: course.failed,
    Quiet: course.quiet,
    Counted: course.counted,
    Sent: _sent,
    Unsent: _unsent,
    Unsaved: _unsaved,
}
