"""What the service counts, as Prometheus reads it: plain numbers of its parts, put into form when asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from deploy.cloud.service import Service


class _Numbers(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        service = self._service
        checks = CounterMetricFamily("headrace_checks", "Checks answered, by status.", labels=["status"])
        for status, count in list(service.checks.counts.items()):
            checks.add_metric([str(status)], count)
        yield checks
        calls = CounterMetricFamily(
            "headrace_calls", "Other calls, by route and status.", labels=["route", "status"]
        )
        for (route, called), count in list(service.calls.items()):
            calls.add_metric([route, str(called)], count)
        yield calls
        reports = CounterMetricFamily(
            "headrace_reports", "Reports, by what became of them.", labels=["outcome"]
        )
        for name, count in service.intake.counts.items():
            if name != "commits":
                reports.add_metric([name], count)
        yield reports
        commits = service.intake.counts["commits"]
        yield CounterMetricFamily("headrace_report_commits", "Transactions of reports.", commits)
        yield GaugeMetricFamily("headrace_reports_waiting", "Reports not kept yet.", service.intake.waiting)
        yield GaugeMetricFamily("headrace_listeners", "Lines held for hints.", service.listeners.count)
        yield from _gates(service)
        due = GaugeMetricFamily(
            "headrace_trust_due", "1: to be signed, with keys that are not here.", labels=["role"]
        )
        for role in service.signer.left:
            due.add_metric([role], 1)
        yield due
        answers = service.checks.answers
        version = 0 if answers is None else answers.ruleset.version
        yield GaugeMetricFamily("headrace_ruleset_version", "The ruleset that is answered by.", version)


def _gates(service: Service) -> Iterator[Metric]:
    verdicts = CounterMetricFamily("headrace_gate_verdicts", "Looks of gates.", labels=["verdict"])
    for verdict, count in list(service.verdicts.items()):
        verdicts.add_metric([verdict], count)
    yield verdicts
    stages = GaugeMetricFamily(
        "headrace_gate_stage", "Stage that a release is in, from 0.", labels=["release"]
    )
    devices = GaugeMetricFamily("headrace_gate_devices", "Devices of an arm.", labels=["release", "arm"])
    paused = GaugeMetricFamily("headrace_gate_paused", "1: waits for a person.", labels=["release"])
    for gate in service.led.gates:
        stages.add_metric([gate.release], gate.stand.stage)
        paused.add_metric([gate.release], gate.stand.paused)
        if (look := gate.look) is not None:
            devices.add_metric([gate.release, "release"], look.devices)
            devices.add_metric([gate.release, "control"], look.control)
    yield from (stages, devices, paused)


def exposition(service: Service) -> bytes:
    """Return the numbers of SERVICE in Prometheus' text form."""
    registry = CollectorRegistry()
    registry.register(_Numbers(service))
    return generate_latest(registry)
