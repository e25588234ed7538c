"""Plans posted recipes, and remembers the plans of recipes that differ only in name, labels and seed."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from starlette.concurrency import run_in_threadpool

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetError
from bakehouse.experiments.planned_arms import MakeTemplate
from bakehouse.experiments.planned_runs import NOT_PLANNED, PlannedRun, WithPlannedRuns
from bakehouse.model import JsonObject
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.estimate import Estimate
from bakehouse.plan.pictures import picture_size, with_size
from bakehouse.prepare import Limits, Prepared, is_oversized, new_template, prepare
from bakehouse.recipe.checkpoint import checkpoints_in
from bakehouse.recipe.read import has_more_values, read_recipe
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.async_store import AsyncStore
from bakehouse.runs.store import Store
from bakehouse.runs.stored_runs import StoredRuns
from bakehouse.runs.template import FREE_FIELDS, RunTemplate
from bakehouse.settings import Settings

# Limit on the time that a request waits for a new data set to be packed.
MAX_PACKING_SECONDS = 2.0
# About 10 MB, because a template takes 20 KB.
MAX_REMEMBERED = 512
# Documents of this size are read in about a millisecond, and refused within ten; larger ones must not stop the event
# loop.
MAX_VALUES_IN_EVENT_LOOP = 300


@dataclass(frozen=True)
class Remembered:
    """A plan that was made before, reduced to what later runs need."""

    template: RunTemplate
    card: DatasetCard
    estimate: Estimate


class Preparation:
    """Plans recipes within the limits of this service and of its largest worker."""

    def __init__(self, settings: Settings, store: Store, async_store: AsyncStore, catalog: Catalog) -> None:
        self._settings = settings
        self._runs = StoredRuns(store)
        self._async_store = async_store
        self._catalog = catalog
        self._remembered = RememberedPlans()

    async def prepare(self, document: object) -> Prepared:
        """Plans a posted recipe. Raises RecipeInvalid or DatasetNotReady."""
        limits = await self._limits()
        return await run_in_threadpool(self._prepare, document, limits)

    async def template(self, document: object) -> tuple[RunTemplate, Recipe]:
        """Returns a template for the runs of a posted recipe, and the recipe. Raises RecipeInvalid or
        DatasetNotReady."""
        if has_more_values(document, MAX_VALUES_IN_EVENT_LOOP):
            prepared = await self.prepare(document)
            return new_template(prepared), prepared.plan.recipe
        recipe = read_recipe(document)
        limits = await self._limits()
        key = key_of(recipe)
        found = self._find(key, limits)
        # Only the card of a data set that is not built in is read from a disk.
        if found and self._catalog.is_built_in(recipe.dataset.id):
            return found.template, recipe
        return await run_in_threadpool(self._template, recipe, key, document, limits), recipe

    async def templates(self) -> MakeTemplate:
        """Returns a function that makes a template for the runs of a recipe in a thread. It raises RecipeInvalid or
        DatasetNotReady."""
        limits = await self._limits()

        def make_template(document: JsonObject, planned: Mapping[str, PlannedRun]) -> RunTemplate:
            recipe = read_recipe(document)
            return self._template(recipe, key_of(recipe), document, limits, planned)

        return make_template

    async def planner(self) -> Callable[[object], Prepared]:
        """Returns a function that plans recipes in a thread. It raises RecipeInvalid or DatasetNotReady."""
        limits = await self._limits()
        return lambda document: self._prepare(document, limits)

    async def _limits(self) -> Limits:
        # One worker that can hold the run is enough.
        memory = await self._async_store.largest_memory()
        return Limits(parameters=self._settings.max_parameters, memory_bytes=memory)

    def _template(
        self,
        recipe: Recipe,
        key: str,
        document: object,
        limits: Limits,
        planned: Mapping[str, PlannedRun] = NOT_PLANNED,
    ) -> RunTemplate:
        """Returns a template for the runs of a recipe that was read from a document; the recipe may build on runs that
        are only planned."""
        found = self._find(key, limits)
        if found and self._is_unchanged(recipe, found.card):
            return found.template
        prepared = self._prepare(document, limits, planned, recipe)
        template = new_template(prepared)
        # A run that this recipe builds on may be deleted, or its data set may change.
        if not checkpoints_in(recipe):
            self._remembered.put(key, Remembered(template, prepared.plan.card, prepared.plan.estimate))
        return template

    def _find(self, key: str, limits: Limits) -> Remembered | None:
        """Returns a remembered plan that does not exceed the limits."""
        found = self._remembered.find(key)
        return found if found and not is_oversized(found.estimate, limits) else None

    def _prepare(
        self,
        document: object,
        limits: Limits,
        planned: Mapping[str, PlannedRun] = NOT_PLANNED,
        recipe: Recipe | None = None,
    ) -> Prepared:
        runs = WithPlannedRuns(self._runs, planned)
        return prepare(document, self._catalog, limits, runs=runs, wait_seconds=MAX_PACKING_SECONDS, recipe=recipe)

    def _is_unchanged(self, recipe: Recipe, card: DatasetCard) -> bool:
        """Returns whether the data set of a remembered plan is still the same; a name may mean a newer version now."""
        dataset = recipe.dataset.id
        if self._catalog.is_built_in(dataset):
            return True
        try:
            found = self._catalog.card(dataset)
            return with_size(found, picture_size(recipe, found)) == card
        except DatasetError:
            return False


def key_of(recipe: Recipe) -> str:
    """Returns what a recipe has in common with those that have the same plan."""
    return recipe.model_dump_json(exclude=set(FREE_FIELDS))


class RememberedPlans:
    """The plans that were used last. Can be shared between threads."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, Remembered] = OrderedDict()
        self._lock = Lock()

    def find(self, key: str) -> Remembered | None:
        """Returns a plan, if it is remembered."""
        with self._lock:
            if key in self._plans:
                self._plans.move_to_end(key)
            return self._plans.get(key)

    def put(self, key: str, remembered: Remembered) -> None:
        """Remembers a plan, and forgets the one that has not been used for the longest time if there are too many."""
        with self._lock:
            self._plans[key] = remembered
            self._plans.move_to_end(key)
            if len(self._plans) > MAX_REMEMBERED:
                self._plans.popitem(last=False)
