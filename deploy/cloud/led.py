"""What gates lead, as one process follows it: what each wants to know of reports, and how training was."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from deploy.bundle.bundle import Bundle
from deploy.bundle.proof import bins_of
from deploy.cloud.gates import Gates, views
from deploy.cloud.looks import Gate
from deploy.cloud.registry import Registry
from deploy.cloud.uploads import Uploads
from deploy.errors import DeployError
from deploy.gate.reading import Bins
from deploy.gate.view import View
from deploy.task.bins import Bins as BundleBins
from deploy.task.bins import shared

_LOG = logging.getLogger("headrace.service")


class Led:
    """The gates that run now; replaced whole, so that any thread may read it while another follows."""

    def __init__(self, gates: Gates, registry: Registry, uploads: Uploads) -> None:
        self._gates, self._registry, self._uploads = gates, registry, uploads
        self.gates: tuple[Gate, ...] = ()
        self.trained: Mapping[str, Bins] = {}  # by release that is counted
        self.views: Mapping[str, View] = {}  # likewise

    def follow(self) -> None:
        """Read again what gates lead."""
        gates, trained = tuple(self._gates.running()), dict(self.trained)
        for gate in gates:
            if gate.release not in trained:
                trained |= self._trained(gate)
        self.trained = {arm: trained[arm] for gate in gates for arm in gate.arms}
        self.views = views(gates, self.trained)
        self.gates = gates

    def _trained(self, gate: Gate) -> dict[str, Bins]:
        mine = self._bins(gate.release)
        found: dict[str, Bins] = {gate.release: {} if mine is None else mine.trained}
        if gate.control is not None:  # its devices count by their own bundle's bins
            found[gate.control] = shared(mine, self._bins(gate.control))
        return found

    def _bins(self, release: str) -> BundleBins | None:
        """Return how the features of RELEASE were spread in training, None where its bundle does not tell."""
        try:
            manifest = self._registry.manifest(self._registry.bundle_of(release))
            return bins_of(Bundle(manifest, self._uploads))
        except (DeployError, OSError):  # it was read as it was published: somebody took it away
            _LOG.exception("expected the bins of %s, found none; its gate does not look at drift", release)
            return None
