"""Seeded workloads for measurements: the same events and graphs for the same arguments, on any machine."""

from featuregraph.testing.workload.day import HOURS, PERIODS, USERS
from featuregraph.testing.workload.feature import Feature, graph_of
from featuregraph.testing.workload.mixed import Shape, Workload, family, workload
from featuregraph.testing.workload.ranking import candidates, dense, ranking
from featuregraph.testing.workload.redundancy import redundancy
from featuregraph.testing.workload.services import SERVICES, Service, ServiceWork, service
from featuregraph.testing.workload.vocabulary import TYPES, EventType, vocabulary

__all__ = [
    "HOURS",
    "PERIODS",
    "SERVICES",
    "TYPES",
    "USERS",
    "EventType",
    "Feature",
    "Service",
    "ServiceWork",
    "Shape",
    "Workload",
    "candidates",
    "dense",
    "family",
    "graph_of",
    "ranking",
    "redundancy",
    "service",
    "vocabulary",
    "workload",
]
