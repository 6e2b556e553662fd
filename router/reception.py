"""The doors that senders come to: a source behind each, and what came to it."""

from __future__ import annotations

from collections.abc import Mapping

from router.clock import Clock
from router.operations.answers import SourceStatus
from router.service import Service
from router.settings import Kinds, Settings, SourceSpec
from router.sources.base import Source
from router.telemetry.counts import Counts
from router.web.body import Budget
from router.web.ingest import Ingest
from router.web.library import Library
from router.web.limits import BODIES


class Reception:
    """Opens them, and exchanges them for those of the next configuration.

    Args:
        kinds: the kinds of source that exist.
        service: what is behind all doors.
        clock: when something came.
        library: where sources' certificates come from.
    """

    def __init__(self, kinds: Kinds, service: Service, clock: Clock, library: Library) -> None:
        self._kinds = kinds
        self._service = service
        self._clock = clock
        self._library = library
        self._specs: dict[str, SourceSpec] = {}
        self._sources: dict[str, Source] = {}
        self._doors: list[Ingest] = []
        self._counts: dict[str, Counts] = {}

    def sources(self) -> Mapping[str, Source]:
        """Today's, by name."""
        return self._sources

    def open(self, settings: Settings) -> dict[str, Ingest]:
        """The doors of a configuration by their places, in the place of those that there were.

        A source that stays as it is remembers what it knows: certificates, and what would be a replay.
        """
        self.close()
        before, self._specs = self._specs, {spec.name: spec for spec in settings.sources}
        self._sources = {
            name: self._sources[name] if before.get(name) == spec else self._kinds[spec.kind](spec.settings)
            for name, spec in self._specs.items()
        }
        self._doors = [self._door(spec, settings) for spec in settings.sources]
        opened = zip(settings.sources, self._doors, strict=True)
        return {path: door for spec, door in opened for path in spec.paths}

    def _door(self, spec: SourceSpec, settings: Settings) -> Ingest:
        return Ingest(
            spec.name,
            self._sources[spec.name],
            self._service,
            self._clock,
            settings.body,
            Budget(BODIES // len(settings.sources)),  # the strangers of one source are no other's trouble
            counts=self._counts.setdefault(spec.name, Counts()),
            library=self._library,
        )

    def close(self) -> None:
        """Have the log say what it still holds back of them."""
        for door in self._doors:
            door.door.refusals.close()
        self._doors = []

    def status(self) -> list[SourceStatus]:
        """What came to each source since the start."""
        return [self._status(spec, self._counts[name]) for name, spec in self._specs.items()]

    def _status(self, spec: SourceSpec, counts: Counts) -> SourceStatus:
        return SourceStatus(
            name=spec.name,
            kind=spec.kind,
            verifies=spec.verifies,
            requests=counts.requests,
            events=counts.events,
            quarantined=counts.quarantined,
            refused=dict(sorted(counts.refused.items())),
        )
