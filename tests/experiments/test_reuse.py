"""Which finished runs are used again instead of a new one."""

from typing import Any

import pytest
from pydantic_core import to_json

from bakehouse.experiments.reuse import Machine, is_reusable, machine, machines
from tests.runs.examples import PROVENANCE, a_worker

DATA = PROVENANCE.dataset_fingerprint
HERE = frozenset({machine(PROVENANCE.device, PROVENANCE.threads, PROVENANCE.versions)})
FINISHED: dict[str, Any] = {"status": "succeeded", "reason": "early_stopped", "exact": True, "provenance": PROVENANCE}


def with_provenance(**fields: object) -> dict[str, Any]:
    return {"provenance": PROVENANCE.model_copy(update=fields)}


def reused(changed: dict[str, Any], present: frozenset[Machine] = HERE) -> bool:
    fields = {name: to_json(value).decode() for name, value in {**FINISHED, **changed}.items()}
    return is_reusable(fields, DATA, present)


@pytest.mark.parametrize("reason", ["early_stopped", "epochs_done"])
def test_a_run_that_its_recipe_has_ended_is_used_again(reason: str) -> None:
    assert reused({"reason": reason})


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "failed", "reason": "non_finite"},
        {"status": "running", "reason": "claimed", "provenance": None},
        {"status": "cancelled", "reason": "cancelled_by_user", "provenance": None},
        {"reason": "stopped_by_user"},
        {"reason": "time_budget"},
        {"reason": "pruned"},
        {"exact": False},
        {"exact": None},
        {"provenance": None},
        with_provenance(exact=False),
        with_provenance(dataset_fingerprint="sha256:1"),
        with_provenance(versions={"torch": "2.14.0"}),
        with_provenance(versions={"torch": "2.13.0", "numpy": "2.4.0"}),
        with_provenance(versions={}),
        with_provenance(device="NVIDIA H200"),
        with_provenance(threads=2),
    ],
)
def test_another_run_is_trained_anew(changed: dict[str, Any]) -> None:
    assert not reused(changed)


def test_a_run_is_used_again_if_one_of_the_present_workers_would_train_it_so() -> None:
    same = a_worker("same").model_copy(update={"versions": PROVENANCE.versions})
    assert not reused({}, machines([]))
    # A worker of an earlier version does not say what it has.
    assert not reused({}, machines([a_worker("earlier")]))
    assert not reused({}, machines([same.model_copy(update={"threads": 2})]))
    assert reused({}, machines([same.model_copy(update={"threads": 2}), same]))


def test_a_run_whose_fields_are_missing_is_not_used_again() -> None:
    assert not is_reusable({}, DATA, HERE)
    assert not is_reusable({name: to_json(value).decode() for name, value in FINISHED.items()}, None, HERE)
