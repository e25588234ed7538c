"""Records that earlier versions wrote are still read.

`record_748f24f.json` holds the fields that a service and a worker of the commit 748f24f stored in Redis for a run that
retries another run and succeeded.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.curriculum import Curriculum
from bakehouse.recipe.ingredient import Ingredient
from bakehouse.recipe.norm import BatchRenorm, CrossIterationBatchNorm
from bakehouse.runs.commands import Rename
from bakehouse.runs.local_runs import RECORD, LocalRuns
from bakehouse.runs.migrations import migrate_recipe, migrate_record, parse_record
from bakehouse.runs.record import FORMAT, Record
from bakehouse.runs.transitions import reduce
from bakehouse.runs.wire import decode, encode
from tests.runs.examples import a_run

STORED: dict[str, Any] = json.loads(Path(__file__).with_name("record_748f24f.json").read_text(encoding="utf-8"))
BY_SCRIPT = {"by_service", "by_worker", "order"}


def as_hash(fields: dict[str, Any]) -> dict[str, str]:
    """The fields as Redis holds them."""
    return {name: json.dumps(value) for name, value in fields.items()}


def check(record: Record) -> None:
    """What the fixture says, under the present names."""
    assert record.parent_run == STORED["origin"] == "run_p7a6eghmwfdn"
    assert record.provenance is not None
    assert record.provenance.model_dump(mode="json") == STORED["receipt"]
    assert record.seconds == STORED["seconds"] == 0.483
    assert (record.status, record.reason, record.name) == ("succeeded", "epochs_done", "before")
    assert (record.recipe.dataset.id, record.recipe.epochs, record.labels) == ("digits", 2, {"study": "words"})
    assert record.checkpoints[-1].sha256 == record.provenance.weights_sha256
    assert record.best is not None
    assert record.last is not None
    # The best weights have the metrics of their own epoch, and those on the test split.
    of_best = next(item.metrics for item in record.checkpoints if item.epoch == record.best.epoch)
    tested = {name: value for name, value in STORED["metrics"].items() if name.startswith("test_")}
    assert tested
    assert record.best.metrics == {**of_best, **tested}
    assert record.last.epoch == record.progress.epoch
    assert record.last.metrics == {name: value for name, value in STORED["metrics"].items() if name not in tested}


def own_fields() -> dict[str, Any]:
    return {name: value for name, value in STORED.items() if name not in BY_SCRIPT}


def test_a_record_of_an_earlier_version_is_read_from_redis() -> None:
    check(decode(as_hash(STORED)))


def test_a_record_of_an_earlier_version_is_read_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / RECORD).write_text(json.dumps(own_fields()), encoding="utf-8")
    record = LocalRuns(tmp_path).find(STORED["id"])
    assert record is not None
    check(record)


def test_what_this_version_writes_wins_over_the_old_names_beside_it() -> None:
    stored = {**own_fields(), "status": "running", "receipt": None, "seconds": 0.0}
    before = decode(as_hash(stored))
    after = before.model_copy(update={"provenance": decode(as_hash(STORED)).provenance, "seconds": 7.0})
    after = reduce(after, Rename("new", {}), 0)[0]
    written = encode(before, after)
    assert {"provenance", "seconds"} <= written.keys()
    in_redis = {**as_hash(stored), **written}
    for fields in (in_redis, dict(reversed(in_redis.items()))):
        assert decode(fields) == after.model_copy(update={"format": FORMAT})


def test_a_record_of_this_version_is_read_as_it_is() -> None:
    record = Record(**dict(a_run(labels={"origin": "x", "receipt": "y"})))
    assert parse_record(record.model_dump_json()) == record
    fields = record.model_dump(mode="json")
    assert migrate_record(fields) == fields


@pytest.mark.parametrize(
    ("old", "present"),
    [
        (
            {"type": "batch_renorm", "plain_until": 0.1, "r_max_at": 0.5, "d_max_at": 0.3},
            BatchRenorm(burn_in=0.1, r_max_from=0.5, d_max_from=0.3),
        ),
        ({"type": "cross_iteration_batch_norm", "plain_until": 0.2}, CrossIterationBatchNorm(burn_in=0.2)),
    ],
)
def test_a_stored_recipe_with_the_old_names_of_a_norm_is_read(old: dict[str, Any], present: Ingredient) -> None:
    stored = {**own_fields(), "recipe": {**STORED["recipe"], "norm": old}}
    assert decode(as_hash(stored)).recipe.norm == present


def test_an_old_name_outside_the_norm_stays() -> None:
    recipe = {**STORED["recipe"], "norm": {"type": "none"}, "name": "plain_until", "labels": {"r_max_at": "1"}}
    assert migrate_recipe(recipe) == recipe


def test_a_running_record_of_an_earlier_version_is_read() -> None:
    owner = {"nonce": "first", "host": "here", "boot_id": "boot", "pid": 7, "start_time": 1}
    lease = {"lease_until": 1795836033000, "claimed_ms": 1795836022732}
    unfinished = {"finished_at": None, "receipt": None, "released_by": None, "transitions": STORED["transitions"][:2]}
    state = {"status": "running", "reason": "claimed", "owner": owner, "resume_step": 18, **lease, **unfinished}
    record = decode(as_hash({**STORED, **state}))
    assert (record.status, record.reason, record.resume_step) == ("running", "claimed", 18)
    assert (record.parent_run, record.provenance, record.lost_resume_step) == (STORED["origin"], None, -1)
    assert record.owner is not None
    assert record.owner.model_dump() == owner
    assert (record.seconds, record.seconds_before) == (0.483, 0.0)


def stored_advice(pointer: str, path: str, value: Any) -> dict[str, Any]:
    patch = [{"op": "replace", "path": path, "value": value}]
    return {"code": "x", "severity": "info", "pointer": pointer, "message": "m", "source": "s", "patch": patch}


@pytest.mark.parametrize(
    ("old", "present"),
    [
        (("/norm/plain_until", "/norm/r_max_at", 0.4), ("/norm/burn_in", "/norm/r_max_from", 0.4)),
        (
            ("/norm/d_max_at", "/norm", {"type": "batch_renorm", "plain_until": 0.1, "r_max_at": 0.4, "d_max_at": 0.2}),
            (
                "/norm/d_max_from",
                "/norm",
                {"type": "batch_renorm", "burn_in": 0.1, "r_max_from": 0.4, "d_max_from": 0.2},
            ),
        ),
        (
            ("/curriculum/until", "/curriculum", {"type": "curriculum", "pacing": "root", "steps": 4}),
            ("/curriculum/until", "/curriculum", {"type": "curriculum", "pacing": "root", "steps": None}),
        ),
        (("/labels/plain_until", "/name", "r_max_at"), ("/labels/plain_until", "/name", "r_max_at")),
    ],
)
def test_stored_advice_has_the_present_names_of_fields(
    old: tuple[str, str, Any], present: tuple[str, str, Any]
) -> None:
    [advice] = decode(as_hash({**STORED, "advice": [stored_advice(*old)]})).advice
    assert advice.model_dump(mode="json") == stored_advice(*present)


def test_a_record_whose_advice_is_damaged_is_a_value_error() -> None:
    for advice in (None, [None], [{"pointer": 1, "patch": []}], [stored_advice("/norm", "/norm", 1) | {"patch": [1]}]):
        with pytest.raises(ValueError, match="validation error"):
            parse_record(json.dumps({**own_fields(), "advice": advice}))


@pytest.mark.parametrize(("pacing", "steps"), [("linear", None), ("root", None), ("step", 4)])
def test_a_stored_curriculum_keeps_its_steps_only_if_its_pacing_has_steps(pacing: str, steps: int | None) -> None:
    curriculum = {**Curriculum().model_dump(mode="json"), "pacing": pacing, "steps": 4}
    stored = {**own_fields(), "recipe": {**STORED["recipe"], "curriculum": curriculum}}
    recipe = decode(as_hash(stored)).recipe
    assert isinstance(recipe.curriculum, Curriculum)
    assert (recipe.curriculum.pacing, recipe.curriculum.steps) == (pacing, steps)
    assert make_plan(recipe, read_card(BUILTIN / recipe.dataset.id)).recipe == recipe
