"""Tasks and releases: from the cloud that publishes to the device that believes, activates and rolls back.

Nothing is here yet but this page. What will live here: `task` (a bundle of graph, model, script and
configuration with their hashes), `trust` (what a device believes), `rollout` and `cohort` (which release
a device should run): all pure; `cloud` (registry, service, console, health gates) and `device` (agent,
store), which never import each other; `host` and `simulate`, which stand above both.
"""

__all__: list[str] = []
