"""The course of one task's release, from what the service wants to what runs.

    Answered           Fetched      Proved    Quiet               Counted
    -------> waiting, fetching -> proving -> ready -> active, on trial -> confirmed
               ^ Failed: network, refused | bad              | bad
               +--------------------------+-> never again    +-> the one before

A service that goes back to the one before is obeyed at once: it is still here, proved and confirmed. So is
one that stops a task. Pure.
"""

from __future__ import annotations

from msgspec.structs import replace

from deploy.device.kept import MAX_BAD, Task, is_alike, mark
from deploy.device.state import Turn, Work
from deploy.device.words import Answered, Counted, Failed, Fetch, Fetched, Prove, Proved, Quiet, Run, Started
from deploy.wire.assignment import Assigned

_FRESH = Task()
_DIED = "expected the process to go on, found that it ended in a run of this release"

# ---------------------------------------------------------------- what the service says


def settle(turn: Turn, event: Answered) -> None:
    """Compare what runs with what should."""
    manifest = event.manifest
    kept = turn.state.kept
    if manifest.ruleset != kept.ruleset:
        turn.state.kept = replace(kept, ruleset=manifest.ruleset)
    for name in sorted({*kept.tasks, *manifest.tasks, *manifest.halted}):
        if name in manifest.halted:
            _halt(turn, name)
        elif (wanted := manifest.tasks.get(name)) is None:
            _leave(turn, name)
        else:
            _want(turn, name, wanted)


def halted(turn: Turn, event: Answered) -> None:
    """Stop what is to stop, although that can not be saved."""
    for name in event.manifest.halted:
        if not _task(turn, name).halted:
            turn.actions.append(Run(name, None))


def _halt(turn: Turn, name: str) -> None:
    task = _task(turn, name)
    turn.go(name, None)
    if task.halted:
        return
    turn.keep(name, replace(task, halted=True))
    if task.active is not None:
        turn.report(name, task.active, "rolled_back")
    turn.actions.append(Run(name, None))


def _leave(turn: Turn, name: str) -> None:
    """Go back to what the app has built in: no release is for this device."""
    task = _task(turn, name)
    turn.go(name, None)
    if task.active is None:
        if task.halted:
            turn.keep(name, replace(task, halted=False))
        return
    turn.keep(name, Task(fallback=_good(task), bad=task.bad))
    turn.report(name, task.active, "rolled_back")
    turn.actions.append(Run(name, None))


def _want(turn: Turn, name: str, wanted: Assigned) -> None:
    found = _task(turn, name)
    task = replace(found, halted=False) if found.halted else found
    if is_alike(task.active, wanted):
        turn.go(name, None)
        _run(turn, name, found, replace(task, active=wanted))
        if found.active != wanted:
            turn.report(name, wanted, "active")
    elif is_alike(task.fallback, wanted):
        _enter(turn, name, task, wanted, confirmed=True)
    else:
        _run(turn, name, found, task)
        _head_for(turn, name, task, wanted)


def _run(turn: Turn, name: str, found: Task, task: Task) -> None:
    """Keep TASK, which was FOUND, and run what it says where that is another."""
    if task != found:
        turn.keep(name, task)
        if found.active is not None and task.active != found.active and not found.halted:
            turn.report(name, found.active, "alive")  # the last of its counts
        turn.actions.append(Run(name, task.active))


def _head_for(turn: Turn, name: str, task: Task, wanted: Assigned) -> None:
    """Begin with WANTED, unless that is under way or failed here."""
    work = turn.state.works.get(name)
    if mark(wanted) in task.bad:
        turn.go(name, None)
    elif work is None or work.wanted != wanted:
        ready = task.proved and task.next == wanted  # before the process began anew
        turn.go(name, _ready(turn, wanted) if ready else Work(wanted))


# ---------------------------------------------------------------- what becomes of an attempt


def begin(turn: Turn, name: str, work: Work) -> None:
    """Begin to fetch."""
    task = _task(turn, name)
    turn.go(name, replace(work, phase="fetching"))
    held = tuple(one for one in (task.active, task.fallback) if one is not None)
    turn.actions.append(Fetch(name, work.wanted, held))


def fetched(turn: Turn, event: Fetched) -> None:
    """Prove what is there, after it is noted that this is tried."""
    work = turn.state.works.get(event.task)
    if work is None or work.phase != "fetching" or work.wanted != event.wanted:
        return
    task = _task(turn, event.task)
    tries = task.next_tries if task.next == event.wanted else 0
    turn.keep(event.task, replace(task, next=event.wanted, proved=False, next_tries=tries))
    turn.go(event.task, replace(work, phase="proving"))
    turn.actions.append(Prove(event.task, event.wanted))


def proved(turn: Turn, event: Proved) -> None:
    """Wait for a quiet moment."""
    work = turn.state.works.get(event.task)
    if work is None or work.phase != "proving" or work.wanted != event.wanted:
        return
    turn.keep(event.task, replace(_task(turn, event.task), proved=True))
    turn.report(event.task, event.wanted, "installed")
    turn.go(event.task, _ready(turn, event.wanted))


def failed(turn: Turn, event: Failed) -> None:
    """Try it again later, never again, or go back to the one before, by the fault."""
    name, task, work = event.task, _task(turn, event.task), turn.state.works.get(event.task)
    if work is not None and work.phase in ("fetching", "proving") and work.wanted == event.wanted:
        if event.fault == "bad":
            turn.go(name, None)
            turn.keep(name, replace(task, next=None, proved=False, bad=_with(task.bad, event.wanted)))
            turn.report(name, event.wanted, "failed", event.error)
            return
        missed(turn, event)
    elif task.active is not None and task.active == event.wanted and not task.halted:
        turn.state.etag = ""  # an answer as before would not say again that it is wanted
        _take_back(turn, name, task, event.error, bad=event.fault == "bad")


def missed(turn: Turn, event: Failed) -> None:
    """Try again later what is under way; tell once that this device does not take it now."""
    work = turn.state.works.get(event.task)
    if work is None or work.wanted != event.wanted:
        return
    told = work.told or event.fault == "refused"
    if told and not work.told:
        turn.report(event.task, event.wanted, "failed", event.error)
    misses = work.misses + 1
    turn.go(event.task, Work(work.wanted, "waiting", turn.backoff(misses), misses, told))


def postpone(turn: Turn) -> None:
    """Wait with what is ready: it could not be kept now that it runs."""
    for name, work in turn.state.works.items():
        if work.phase == "ready":
            turn.go(name, replace(work, until_ms=max(work.until_ms, turn.backoff(4) + 1)))


# ---------------------------------------------------------------- what runs


def started(turn: Turn, event: Started) -> None:
    """Run what ran, but what the process ended in too often."""
    for name, found in turn.state.kept.tasks.items():
        task = _tried(turn, name, found, event.died) if event.died else found
        died = (
            event.died and task.active is not None and not task.confirmed and mark(task.active) in event.died
        )
        if died and task.tries >= turn.settings.most_tries:
            _take_back(turn, name, task, _DIED, bad=True)
            continue
        if died:
            turn.keep(name, replace(task, tries=task.tries + 1))
        if task.active is not None and not task.halted:
            turn.actions.append(Run(name, task.active))


def _tried(turn: Turn, name: str, task: Task, died: frozenset[str]) -> Task:
    """Count an end of the process in the examples of what comes next."""
    tried = task.next
    if tried is None or task.proved or mark(tried) not in died:
        return task
    if task.next_tries < turn.settings.most_tries:
        task = replace(task, next_tries=task.next_tries + 1)
    else:
        turn.report(name, tried, "failed", _DIED)
        task = replace(task, next=None, next_tries=0, bad=_with(task.bad, tried))
    turn.keep(name, task)
    return task


def quiet(turn: Turn, event: Quiet) -> None:
    """Exchange what runs."""
    for name, work in turn.state.works.items():
        if work.phase == "ready":
            activate(turn, name, work)


def activate(turn: Turn, name: str, work: Work) -> None:
    """Run what is ready, on trial; an assignment that has expired begins nothing."""
    if turn.now_ms <= turn.state.until_ms:
        _enter(turn, name, _task(turn, name), work.wanted, confirmed=False)


def counted(turn: Turn, event: Counted) -> None:
    """Confirm a release on trial, or take it back, once enough is known."""
    task = turn.state.kept.tasks.get(event.task)
    if task is None or task.confirmed or task.active is None or task.active.release != event.release:
        return
    limit, least = turn.settings.trial_failures, turn.settings.trial_runs
    if event.failures * least >= limit * max(event.runs, least):
        error = event.error or f"expected fewer failures than {limit} of {least} runs"
        _take_back(turn, event.task, task, f"{error}; {event.failures} of {event.runs} runs failed", bad=True)
    elif event.runs >= least:
        turn.keep(event.task, replace(task, confirmed=True, tries=0))


def _enter(turn: Turn, name: str, task: Task, wanted: Assigned, *, confirmed: bool) -> None:
    """Run WANTED; what ran and was confirmed stands behind it."""
    now = Task(active=wanted, confirmed=confirmed, fallback=_good(task, wanted), bad=task.bad)
    turn.go(name, None)
    turn.keep(name, now)
    if task.active is not None:
        turn.report(name, task.active, "alive")  # the last of its counts
    turn.actions.append(Run(name, wanted))
    turn.report(name, wanted, "active")


def _take_back(turn: Turn, name: str, task: Task, error: str, *, bad: bool) -> None:
    """Run the one before, which was confirmed here, or what the app has built in."""
    assert task.active is not None, "callers look at what runs"
    marks = _with(task.bad, task.active) if bad else task.bad
    turn.keep(name, replace(task, active=task.fallback, confirmed=True, tries=0, fallback=None, bad=marks))
    turn.report(name, task.active, "rolled_back", error)
    turn.actions.append(Run(name, task.fallback))


def _good(task: Task, wanted: Assigned | None = None) -> Assigned | None:
    """Return what was confirmed last, and is not what is WANTED."""
    best = task.active if task.confirmed and task.active is not None else task.fallback
    return None if is_alike(best, wanted) else best


def _ready(turn: Turn, wanted: Assigned) -> Work:
    return Work(wanted, "ready", turn.now_ms + 1_000 * turn.settings.patience_s)


def _with(bad: tuple[str, ...], assigned: Assigned) -> tuple[str, ...]:
    return (*bad, mark(assigned))[-MAX_BAD:]


def _task(turn: Turn, name: str) -> Task:
    return turn.state.kept.tasks.get(name, _FRESH)
