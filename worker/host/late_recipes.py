"""Plans recipes of experiments that were accepted before, for the supervisors that carry these on."""

import logging

from bakehouse.data.catalog import Catalog
from bakehouse.model import JsonObject
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.store import Store
from bakehouse.runs.stored_runs import StoredRuns
from bakehouse.settings import Settings

PASSING = {"absent_dataset", "broken_dataset"}
"""The problems of a recipe that may be over at the next tick, or on another machine."""

log = logging.getLogger(__name__)


class RecipeMustWait(Exception):
    """Raised if a recipe cannot be planned now, and perhaps later without a change of its experiment."""


class LateRecipes:
    """Plans recipes long after their experiment was posted."""

    def __init__(self, settings: Settings, store: Store) -> None:
        # The memory was checked when the experiment was posted; the worker that has the most may be away at the moment.
        self._limits = Limits(parameters=settings.max_parameters)
        self._catalog = Catalog(settings)
        self._runs = StoredRuns(store)
        self._reported: set[str] = set()

    def prepare(self, recipe: JsonObject) -> Prepared:
        """Plans a recipe. Raises RecipeInvalid, RecipeMustWait and DatasetNotReady."""
        try:
            return prepare(recipe, self._catalog, self._limits, runs=self._runs)
        except RecipeInvalid as error:
            if not {problem.code for problem in error.problems} <= PASSING:
                raise
            self._report(str(error))
            raise RecipeMustWait(str(error)) from error

    def _report(self, reason: str) -> None:
        """Says once why runs wait."""
        if reason not in self._reported:
            self._reported.add(reason)
            log.warning("runs that come next in an experiment wait: %s", reason)
