"""Carries on all experiments that may still create runs: searches, and those in which arms build on others."""

from collections.abc import Callable, Sequence

from bakehouse.experiments.document import Search
from bakehouse.experiments.experiment import ExperimentRecord
from bakehouse.experiments.store import ExperimentStore
from bakehouse.runs.store import Store
from bakehouse.settings import Settings
from worker.host.arm_driver import ArmDriver
from worker.host.search_driver import SearchDriver

# Each is planned anew, which takes milliseconds in which a supervisor does nothing else.
RUNS_PER_TICK = 50

Guard = Callable[..., object]
"""Calls a function with arguments; an unexpected error in it must not stop the others."""


class ExperimentDriver:
    """Carries on the experiments of one home. A tick plans a limited number of runs; the next one begins with the
    experiment after the last that was carried on, so that each has its turn."""

    def __init__(self, settings: Settings, store: Store, experiments: ExperimentStore) -> None:
        self._experiments = experiments
        self._searches = SearchDriver(settings, store, experiments)
        self._arms = ArmDriver(settings, store, experiments)
        self._last = ""
        self._left = 0

    def carry_on(self, guard: Guard) -> None:
        """Does what comes next in as many experiments as the limit of a tick allows."""
        self._left = RUNS_PER_TICK
        for record in in_turn(self._experiments.incomplete(), self._last):
            if self._left <= 0:
                break
            self._last = record.id
            guard(self._carry_on_one, record)

    def _carry_on_one(self, record: ExperimentRecord) -> None:
        if isinstance(record.document.design, Search):
            self._left -= self._searches.carry_on(record)
        else:
            self._left -= self._arms.carry_on(record, limit=self._left)


def in_turn(records: Sequence[ExperimentRecord], last: str) -> list[ExperimentRecord]:
    """Returns the experiments, beginning with the one after the last that had its turn."""
    begin = next((index + 1 for index, record in enumerate(records) if record.id == last), 0)
    return [*records[begin:], *records[:begin]]
