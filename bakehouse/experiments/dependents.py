"""Plans the runs that build on others which are there, and foresees which of them were finished before."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from itertools import product

from bakehouse.data.errors import DatasetNotReady
from bakehouse.experiments.designs import Arm
from bakehouse.experiments.planned_arms import PlannedArm
from bakehouse.experiments.planning import Place
from bakehouse.experiments.question import Question, folds_of, with_fold
from bakehouse.experiments.references import builds_on, in_order
from bakehouse.experiments.stand_ins import stand_in, with_runs
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.errors import RecordUnreadable
from bakehouse.runs.template import RunTemplate

# Each is planned, which takes a millisecond or two.
MAX_FORESEEN = 200
Key = tuple[str, int, int | None]
"""An arm, a seed and a fold."""
PlanRecipe = Callable[[JsonObject], RunTemplate]
"""Plans a recipe whose sources are there. Raises RecipeInvalid, RecordUnreadable and DatasetNotReady."""
FindReusable = Callable[[Sequence[Place]], Sequence[str | None]]
"""Returns, for each place, a finished run that is its result; None if there is none."""


def plan_dependent(question: Question, key: Key, sources: Mapping[str, str], plan_recipe: PlanRecipe) -> Place:
    """Plans a run that builds on others; `sources` are these runs, by their arms. Raises RecipeInvalid,
    RecordUnreadable and DatasetNotReady."""
    name, seed, fold = key
    arm = next(arm for arm in question.arms.arms if arm.name == name)
    runs = {stand_in(source): run for source, run in sources.items()}
    template = plan_recipe(with_fold(with_runs(arm.recipe, runs), question.document.folds, fold))
    return Place(PlannedArm(arm.name, {fold: template}, arm.levels), seed, fold)


class Foresight:
    """Foresees which runs of an experiment are used again, also those that build on others.

    A run that builds on a new one is new, because its recipe names that run."""

    def __init__(self, question: Question, reused: Mapping[Key, str], plan_recipe: PlanRecipe) -> None:
        """`reused` are the runs of arms that build on no other, by their places; of an experiment that is extended
        also those of its runs that have succeeded."""
        self.reused = dict(reused)
        self._question = question
        self._plan_recipe = plan_recipe
        self._planned = 0
        self._doubtful: set[Key] = set()

    def look_at_dependents(self, find_reusable: FindReusable, wanted: Container[Key]) -> None:
        """Finds those of the wanted runs whose arms build on others."""
        for arm in in_order(self._question.arms.arms):
            if arm.builds_on:
                places = list(self._places(arm, wanted))
                found = zip(places, find_reusable(places), strict=True)
                self.reused |= {place.key: run for place, run in found if run is not None}

    @property
    def reason(self) -> str | None:
        """The reason why more runs may be used again than those that were found, as human-readable text."""
        if not self._doubtful:
            return None
        count = count_of(len(self._doubtful), "run")
        return f"whether {count} that build on finished ones were finished before is seen when they are created"

    def _places(self, arm: Arm, wanted: Container[Key]) -> Iterator[Place]:
        """Yields the wanted runs of an arm of which all sources are there."""
        for seed, fold in product(self._question.document.seeds, folds_of(self._question.document)):
            if (arm.name, seed, fold) not in wanted:
                continue
            keys: dict[str, Key] = {name: (name, seed, fold) for name in builds_on(arm)}
            if not self._doubtful.isdisjoint(keys.values()):
                self._doubtful.add((arm.name, seed, fold))
            elif self.reused.keys() >= set(keys.values()):
                yield from self._place((arm.name, seed, fold), {name: self.reused[key] for name, key in keys.items()})

    def _place(self, key: Key, sources: Mapping[str, str]) -> Iterator[Place]:
        self._planned += 1
        try:
            if self._planned <= MAX_FORESEEN:
                yield plan_dependent(self._question, key, sources, self._plan_recipe)
                return
        # Its data set is not here now, or a record is of another version; a supervisor may be able to plan it.
        except (RecipeInvalid, RecordUnreadable, DatasetNotReady):
            pass
        self._doubtful.add(key)
