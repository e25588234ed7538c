"""Seeds by step."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from worker.seeds import Purpose, Seeds

STEPS = st.integers(0, 10**9)


@given(st.integers(0, 2**32 - 1), STEPS, STEPS)
def test_steps_have_different_seeds_that_a_generator_takes(seed: int, first: int, second: int) -> None:
    seeds = Seeds(seed, "order")
    assert 0 <= seeds.at(first) < 2**63
    assert (seeds.at(first) == seeds.at(second)) == (first == second)


@given(st.integers(0, 2**32 - 1), STEPS)
def test_purposes_and_runs_share_nothing(seed: int, step: int) -> None:
    drawn = {Seeds(seed, purpose).at(step) for purpose in get_args(Purpose)}
    assert len(drawn | {Seeds(seed + 1, "order").at(step)}) == len(get_args(Purpose)) + 1


def test_the_seeds_of_a_recipe_never_change() -> None:
    assert [Seeds(0, "order").at(step) for step in (0, 1)] == [2588154438191406701, 4765497220659829378]
