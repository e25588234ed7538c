"""Every two variants of two families: refused with a reason, or trained, interrupted, resumed and evaluated."""

from collections.abc import Iterator

import pytest
from jsonpointer import JsonPointer

from bakehouse.recipe.problems import RecipeInvalid
from tests import small_trainings as tiny
from tests.small_sets import shrunk
from tests.small_trainings import Document, make_small_plan, make_training, resume_to_end, run_to_end, stop_after
from tests.worker.pairwise import Covering, canonical
from tests.worker.variants import BASES

PARTS = 4
"""So that processes can share the work."""
MIDDLE = 3
"""Units of work: two steps, and the first epoch's validation or half of it."""


@pytest.fixture(scope="module")
def small_sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A few rows of each set."""
    names = {make_small_plan(base).card.id for base in BASES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "folder_of", shrunk(names, tmp_path_factory.mktemp("sets")).joinpath)
        yield


def is_trainable(document: Document) -> bool:
    """Whether the plan takes it; where it does not, it says where and why."""
    try:
        make_small_plan(document)
    except RecipeInvalid as error:
        refusal = error
    else:
        return True
    assert refusal.problems
    for problem in refusal.problems:
        JsonPointer(str(problem.pointer)).resolve(canonical(document))
    return False


def is_exponential_of_anything(document: Document) -> bool:
    """Whether the model is exp of inputs as they are, which may be any number."""
    return bool(document["objective"].get("loss") == "poisson" and document["dataset"]["normalization"] == "none")


@pytest.fixture(scope="module")
def recipes(small_sets: None) -> list[Document]:
    """That hold every pair which can be trained."""
    return list(Covering(is_trainable).recipes())


@pytest.mark.parametrize("part", range(PARTS))
def test_every_pair_of_variants_is_refused_or_trains_and_resumes(
    recipes: list[Document], part: int, subtests: pytest.Subtests
) -> None:
    for document in recipes[part::PARTS]:
        with subtests.test(recipe=document):
            whole = run_to_end(make_training(document))
            if whole.diverged_at is None:
                assert resume_to_end(document, *stop_after(document, MIDDLE)) == whole
            else:
                assert is_exponential_of_anything(document)
