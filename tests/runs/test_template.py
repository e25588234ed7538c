"""A run from a template is the run that would have been planned and encoded by itself."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bakehouse.advice.rules import advise
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.recipe import SeededDigest
from bakehouse.runs.keys import Keys
from bakehouse.runs.measurements import work_of
from bakehouse.runs.record import new_run
from bakehouse.runs.run import Run
from bakehouse.runs.template import RunTemplate
from bakehouse.runs.transitions import submit
from bakehouse.runs.wire import encode
from bakehouse.runs.writes import creation
from tests.strategies import plans

# The labels of recipes, of which the domain of keys does not matter here.
free_fields = st.fixed_dictionaries(
    {"name": st.none() | st.text(min_size=1), "labels": st.dictionaries(st.text(), st.text(), max_size=3),
     "seed": st.integers(0, 2**32 - 1)}
)  # fmt: skip


def planned(plan: Plan) -> Run:
    return new_run(plan.recipe, advice=tuple(advise(plan)), steps=plan.steps, dataset_fingerprint=plan.card.fingerprint)


def as_json(fields: Mapping[str, str]) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in fields.items()}


@given(plans(), free_fields)
@settings(max_examples=40)
def test_a_run_from_a_template_equals_one_that_is_planned_by_itself(plan: Plan, free: dict[str, Any]) -> None:
    recipe = plan.recipe.model_copy(update=free)
    template = RunTemplate(planned(plan), plan.estimate.parameters, work_of(plan), SeededDigest(plan.recipe))
    run, known = template.new_run(recipe, parent_run="run_a", reason="retried", verification=None)
    own_plan = make_plan(recipe, plan.card)
    own = planned(own_plan).model_copy(update={"id": run.id, "parent_run": "run_a", "reason": "retried"})
    assert run == own
    record = submit(run, idempotency="digest", now=0)[0]
    written = creation(Keys(), record, (), known).fields
    assert as_json(written) == as_json(encode(None, record))
    assert list(json.loads(known["recipe"])) == list(json.loads(own.recipe.model_dump_json()))


@given(plans(), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_the_digest_of_a_seed_is_that_of_the_whole_recipe(plan: Plan, seed: int) -> None:
    seeded = plan.recipe.model_copy(update={"seed": seed})
    assert SeededDigest(plan.recipe).sha256(seed) == seeded.sha256()
    assert SeededDigest(plan.recipe).group == seeded.group_sha256()
