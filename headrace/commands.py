"""The command table: which words call which function, as data.

A row is one command: its words, the function that does it as "module:function", and its one line of help.
The module is imported only when its command is called, so `headrace --help` costs nothing and cannot be
broken by a room that does not import here. To add a command, write a plain function with typer annotations
in the package's own cli module and add a row; the help is the first line of that function's docstring.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One row: what is typed after `headrace`, what it calls, and what it says of itself."""

    words: tuple[str, ...]
    target: str
    help: str
    panel: str


def _row(panel: str, words: str, target: str, help: str) -> Command:
    return Command(tuple(words.split()), target, help, panel)


START, GRAPH, LOG = "Start here", "Graphs and values", "Device logs"
TASK, BENCH = "Tasks and releases", "Measurements"

COMMANDS: tuple[Command, ...] = (
    _row(START, "demo", "headrace.demo:command", "Rank real baskets by exact features and say the cost."),
    _row(START, "doctor", "headrace.doctor:command", "Say what is wrong here and how to mend it."),
    _row(GRAPH, "explain", "headrace.explain:command", "Show what a graph shares, scans and keeps."),
    _row(
        GRAPH, "why", "stream.backfill.cli.why:why", "Show the rows behind one value, each with its clause."
    ),
    _row(
        GRAPH,
        "replay",
        "stream.backfill.cli.replay:replay",
        "Compute features for recorded events and queries.",
    ),
    _row(
        GRAPH,
        "training-set",
        "headrace.training_set:training_set",
        "Make train, validation and test data from events.",
    ),
    _row(
        GRAPH, "table", "stream.backfill.cli.table:table", "Build a table for devices from a graph's values."
    ),
    _row(
        GRAPH,
        "verify",
        "stream.backfill.cli.verify:verify",
        "Compare every executor with the reference, cell by cell.",
    ),
    _row(
        LOG,
        "log stats",
        "stream.cli:log_stats",
        "Count the events, blocks, bytes and quarantined rows of a log.",
    ),
    _row(LOG, "log import", "stream.cli:log_import", "Append recorded events to a log."),
    _row(LOG, "log export", "stream.cli:log_export", "Write the events of a log to a file."),
    _row(LOG, "log check", "stream.cli:log_check", "Read a whole log and report what is damaged."),
    _row(LOG, "log forget", "stream.cli:log_forget", "Remove events from a log, with their bytes."),
    _row(
        LOG,
        "log trim",
        "stream.cli:log_trim",
        "Remove old events from a log; its history then begins later.",
    ),
    _row(
        TASK,
        "pack",
        "deploy.cli.pack:pack",
        "Make a task's folder a bundle, proved by its own examples.",
    ),
    _row(TASK, "task log", "deploy.cli.task:log", "Show a task's versions, the newest first."),
    _row(
        TASK, "task show", "deploy.cli.task:show", "Check a bundle, run its golden examples, show its card."
    ),
    _row(
        TASK, "task diff", "deploy.cli.task:diff", "Show what changes when one bundle takes another's place."
    ),
    _row(
        TASK, "task bins", "deploy.cli.bins:bins", "Cut the features of a task by their values in training."
    ),
    _row(TASK, "task export", "deploy.cli.task:export", "Write a version's bundle as one file."),
    _row(
        TASK,
        "keys new",
        "deploy.cli.keys:new",
        "Make a key: the private one in FILE, the public one in FILE.pub.",
    ),
    _row(TASK, "keys show", "deploy.cli.keys:show", "Print the ids of public keys, to compare by eye."),
    _row(TASK, "keys init", "deploy.cli.keys:init", "Make a TUF repository with its four top roles."),
    _row(TASK, "keys delegate", "deploy.cli.keys:delegate", "Let keys sign for the bundles of a task."),
    _row(
        TASK,
        "keys assign",
        "deploy.cli.keys:assign",
        "Let keys sign assignments, in place of those that did.",
    ),
    _row(
        TASK,
        "keys rotate",
        "deploy.cli.keys:rotate",
        "Change who signs for a role; devices follow by a chain of roots.",
    ),
    _row(
        TASK,
        "keys revoke",
        "deploy.cli.keys:revoke",
        "Take a key from every role and from the keys of assignments.",
    ),
    _row(
        TASK,
        "keys vouch",
        "deploy.cli.keys:vouch",
        "Vouch for a bundle: devices may run it once it is released.",
    ),
    _row(
        TASK,
        "keys withdraw",
        "deploy.cli.keys:withdraw",
        "Vouch for a bundle no more: no device begins to run it.",
    ),
    _row(TASK, "keys refresh", "deploy.cli.keys:refresh", "Sign anew what is due: to be run each day."),
    _row(
        TASK, "keys status", "deploy.cli.keys:status", "Show each role: version, end, keys, and what is due."
    ),
    _row(TASK, "publish", "deploy.cli.publish:publish", "Send a bundle to a service, and vouch for it."),
    _row(
        TASK,
        "release",
        "deploy.cli.release:release",
        "Offer a bundle, by hand or by gates; let it grow, or end it.",
    ),
    _row(TASK, "halt", "deploy.cli.release:halt", "Halt a release, or a whole task."),
    _row(TASK, "pause", "deploy.cli.release:pause", "Let a release that gates lead stay in its stage."),
    _row(
        TASK,
        "resume",
        "deploy.cli.release:resume",
        "Let a paused release or a halted task go on.",
    ),
    _row(
        TASK,
        "rollback",
        "deploy.cli.release:rollback",
        "Let an old ruleset be in force again, as a new version.",
    ),
    _row(
        TASK,
        "status",
        "deploy.cli.status:status",
        "Show what is released, and how far gates let it.",
    ),
    _row(
        TASK, "agent run", "deploy.cli.agent:run", "Keep a device at what a service assigns, until a signal."
    ),
    _row(
        TASK,
        "agent check",
        "deploy.cli.agent:check_once",
        "Ask once, install what is assigned, tell what runs.",
    ),
    _row(TASK, "agent status", "deploy.cli.agent:status", "Show what a device runs and what failed there."),
    _row(TASK, "service init", "deploy.cli.service:init", "Make a folder a service, or bring it up to date."),
    _row(TASK, "service run", "deploy.cli.service:run", "Serve until a signal."),
    _row(TASK, "service token", "deploy.cli.service:token", "Make a token and print its secret, this once."),
    _row(TASK, "service tokens", "deploy.cli.service:tokens", "List the tokens that are valid."),
    _row(TASK, "service revoke", "deploy.cli.service:revoke", "Let nobody come by a token any more."),
    _row(
        TASK,
        "simulate gates",
        "deploy.cli.simulate:gates",
        "Put releases by the thousand before the gates.",
    ),
    _row(
        TASK, "simulate estimate", "deploy.cli.simulate:estimate", "Estimate how a release reaches a fleet."
    ),
    _row(
        TASK,
        "simulate loopback",
        "headrace.retail.fleet.cli:loopback",
        "Measure real agents against the real service.",
    ),
    _row(TASK, "simulate fleet", "deploy.cli.simulate:fleet", "Let devices act that run the real machine."),
    _row(
        BENCH,
        "bench device",
        "headrace.bench.cli:device",
        "Time the device engine against what one would write in its place.",
    ),
    _row(
        BENCH,
        "bench replay",
        "headrace.bench.replay.cli:replay",
        "Time replay against polars, DuckDB, pandas and plain Python.",
    ),
)

# What `headrace WORD --help` says of a word that only groups others.
GROUPS: dict[str, str] = {
    "agent": "Install and run what a service assigns to this device.",
    "log": "Look into, fill, check and empty a device log.",
    "task": "Look into the history of tasks and into their bundles.",
    "keys": "Make and change who signs for what devices believe.",
    "service": "Make and run the service that devices ask.",
    "simulate": "Releases and fleets that are not there.",
    "bench": "Measure on this machine; ratios come from one run.",
}

# The extra that brings a third-party module, for the message of whoever lacks it.
EXTRAS: dict[str, str] = {
    "tuf": "agent",
    "securesystemslib": "agent",
    "cryptography": "agent",
    "pyarrow": "replay",
    "networkx": "replay",
    "onnx": "build",
    "matplotlib": "bench",
    "polars": "bench",
    "duckdb": "bench",
    "pandas": "bench",
    "torch": "train",
    "faust": "kafka",
    "aiokafka": "kafka",
    "rocksdict": "kafka",
    "urllib3": "agent",
    "zstandard": "agent",
    "alembic": "service",
    "pg8000": "service",
    "prometheus_client": "service",
    "sqlalchemy": "service",
    "starlette": "service",
    "uvicorn": "service",
}


def find(words: tuple[str, ...]) -> Command | None:
    """Return the row whose words WORDS begin with, or None."""
    return next((row for row in COMMANDS if words[: len(row.words)] == row.words), None)
