"""Whatever the description of the language allows is refused with reasons, or trains."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from jsonpointer import JsonPointer, JsonPointerException

from bakehouse.plan.plan import Plan
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests import small_trainings as tiny
from tests.schema_strategies import posted_recipes
from tests.small_sets import shrunk
from tests.small_trainings import Document, make_small_plan, make_training
from tests.worker.pairwise import datasets as all_datasets
from tests.worker.variants import BASES, source
from worker.training.events import NonFinite

MAX_FLOPS = 10**8
"""Of a step. Larger models say nothing more."""
UNITS = 6
"""Of work: two steps, or more where validations come between them."""

sets = sorted({make_small_plan(base).card.id for base in BASES})
datasets = st.sampled_from(sets) | st.builds(
    lambda dataset, normalization: {**dataset, "normalization": normalization},
    st.sampled_from(all_datasets()),
    st.sampled_from(["none", "standardize", "min_max"]),
)
documents = st.builds(
    # A compiler costs half a minute.
    lambda drawn, dataset: {**drawn, "dataset": dataset, "compile": "off"},
    posted_recipes({"SavedCheckpoint": st.deferred(lambda: st.just(source()))}),
    datasets,
)


@pytest.fixture(scope="module")
def small_sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A few rows of each set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "folder_of", shrunk(sets, tmp_path_factory.mktemp("sets")).joinpath)
        yield


def is_there(problem: Problem, document: Any) -> bool:
    """Whether what is wrong, or what should hold what is missing, is in a document."""
    pointer = str(problem.pointer)
    pointer = pointer.rpartition("/")[0] if problem.code == "missing" else pointer
    try:
        JsonPointer(pointer).resolve(document)
    except JsonPointerException:
        return False
    return True


def plan_of(document: Document) -> Plan | None:
    """None where it is refused, at places that the document has or that its defaults fill in."""
    try:
        return make_small_plan(document)
    except RecipeInvalid as error:
        refusal = error
    for problem in refusal.problems:
        assert is_there(problem, document) or is_there(problem, read_recipe(document).canonical())
    return None


@pytest.mark.usefixtures("small_sets")
@settings(max_examples=300, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents)
def test_whatever_may_be_posted_is_refused_or_trains(document: Document) -> None:
    plan = plan_of(document)
    if plan is None:
        event("refused")
        return
    if plan.estimate.flops_per_sample * min(plan.recipe.batch_size, plan.sizes.train) > MAX_FLOPS:
        event("too large")
        return
    try:
        for _ in islice(make_training(document).run(), UNITS):
            pass
    except NonFinite:
        event("diverged")
    else:
        event("trained")
