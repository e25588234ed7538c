"""What supervisors do for arms that build on the runs of others, with a real service and a fake worker."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier, get_ident
from typing import Any

import httpx
import pytest
from redis import Redis

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetAbsent
from bakehouse.experiments.experiment import Experiment
from bakehouse.experiments.store import ExperimentStore
from bakehouse.recipe.checkpoint import checkpoints_in
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.keys import Keys
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.runs.examples import PROVENANCE, a_worker
from worker.host import arm_driver
from worker.host.arm_driver import ArmDriver

LIMIT = 50
RECIPE = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [4]}, "epochs": 2}


def distilled(arm: str) -> dict[str, Any]:
    return {"objective": {"distillation": {"teacher": {"arm": arm}}}}


VARIANTS = {"alone": {}, "teacher": {"architecture": {"hidden": [9]}}, "student": distilled("teacher")}


def experiment_with(variants: dict[str, Any] = VARIANTS, **others: object) -> dict[str, Any]:
    return {
        "recipe": RECIPE,
        "seeds": 2,
        "metric": "validation_loss",
        "design": {"type": "variants", "variants": variants},
        **others,
    }


@dataclass
class Home:
    """A running service with a fake worker and two supervisors."""

    api: httpx.Client
    store: Store
    experiments: ExperimentStore
    worker: FakeWorker
    drivers: list[ArmDriver]

    def post(self, path: str, document: object = None) -> dict[str, Any]:
        answer = self.api.post(path, json=document)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ask(self, document: object) -> str:
        return str(self.post("/v1/experiments", document)["id"])

    def get(self, experiment_id: str) -> Experiment:
        return Experiment.model_validate_json(self.api.get(f"/v1/experiments/{experiment_id}").content)

    def results(self, experiment_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/v1/experiments/{experiment_id}/results").json()
        return found

    def carry_on(self, experiment_id: str) -> Experiment:
        for driver in self.drivers:
            driver.carry_on(self.experiments.record(experiment_id), limit=LIMIT)
        return self.get(experiment_id)

    def run_of(self, experiment_id: str, arm: str, seed: int = 0) -> str:
        [found] = [run.run for run in self.get(experiment_id).runs if (run.arm, run.seed) == (arm, seed)]
        return found

    def train(self, experiment_id: str, *arms: str) -> None:
        """Trains the queued runs of some arms."""
        for run in self.get(experiment_id).runs:
            if run.status == "queued" and run.arm in arms:
                self.worker.train(run.run, weights=run.run.encode())


@pytest.fixture
def home(service: RunningService) -> Iterator[Home]:
    settings = Settings(home=service.home, redis_url=service.redis_url, workers=0)
    redis = connect(service.redis_url, patient=True)
    artifacts = Artifacts(settings.artifacts)
    store = Store(redis, artifacts=artifacts)
    experiments = ExperimentStore(redis, store)
    drivers = [ArmDriver(settings, store, experiments) for _ in range(2)]
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as api:
        yield Home(api, store, experiments, FakeWorker(store, artifacts), drivers)
    redis.close()


def test_a_student_is_created_with_the_best_weights_of_the_teacher_of_its_seed(home: Home) -> None:
    preview = home.post("/v1/experiments?validate_only=true", experiment_with())
    assert (preview["runs"], preview["arms"][2]["builds_on"]) == (6, ["teacher"])
    asked = home.ask(experiment_with())
    found = home.carry_on(asked)
    assert [(run.arm, run.seed) for run in found.runs] == [("alone", 0), ("alone", 1), ("teacher", 0), ("teacher", 1)]
    assert [(each.arm, each.seed, each.state, each.message) for each in found.missing] == [
        ("student", 0, "waiting", "waits for 'teacher'"), ("student", 1, "waiting", "waits for 'teacher'"),
    ]  # fmt: skip
    assert found.arms[2].differs["/objective/distillation"]["teacher"] == {"arm": "teacher"}
    teacher = home.run_of(asked, "teacher", 1)
    home.worker.train(teacher, weights=b"teacher")
    assert home.get(asked).missing[1].state == "ready"
    found = home.carry_on(asked)
    assert [(each.arm, each.seed) for each in found.missing] == [("student", 0)]
    student = home.store.record(home.run_of(asked, "student", 1))
    [named] = checkpoints_in(student.recipe).values()
    assert (named.run, named.epoch) == (teacher, 3)
    assert student.recipe.seed == 1
    home.train(asked, "alone", "teacher", "student")
    assert home.get(asked).status == "running"
    results = home.results(asked)
    assert (results["finished"], results["runs"]) == (5, 6)
    assert "of 6 runs are finished" in results["sentence"]
    assert home.carry_on(asked).missing == ()
    home.train(asked, "student")
    assert home.carry_on(asked).status == "finished"
    assert home.experiments.incomplete() == []
    assert [arm["n"] for arm in home.results(asked)["arms"]] == [2, 2, 2]


def test_a_student_is_given_up_if_its_teacher_fails_and_created_if_that_is_retried(home: Home) -> None:
    chain = {**VARIANTS, "grandchild": distilled("student")}
    asked = home.ask(experiment_with(chain, seeds=1))
    home.train(asked, "alone")
    teacher = home.run_of(asked, "teacher")
    home.worker.claim(teacher)
    home.worker.fail(teacher)
    found = home.carry_on(asked)
    assert found.status == "finished"
    assert home.experiments.incomplete() == []
    assert [(each.arm, each.state, each.run) for each in found.missing] == [
        ("student", "given_up", teacher), ("grandchild", "given_up", teacher),
    ]  # fmt: skip
    # No extension brings back what builds on a run that has failed.
    preview = home.post(f"/v1/experiments/{asked}/extend?validate_only=true", {"seeds": 2})
    assert preview["runs"] == 4
    results = home.results(asked)
    assert (results["finished"], results["runs"]) == (4, 4)
    [student, grandchild] = [arm["failed"] for arm in results["arms"][2:]]
    assert student == [
        {
            "run": teacher, "seed": 0, "fold": None, "code": "not_created",
            "message": f"The run was not trained because {teacher} of the arm 'teacher' failed with "
            "non_finite: The loss is not finite. Retry that one.",
        }
    ]  # fmt: skip
    assert grandchild[0]["message"] == student[0]["message"]
    again = home.post(f"/v1/runs/{teacher}/retry")["id"]
    # One write, so that nothing can come between the run and the experiment.
    assert home.store.record(again).token == home.experiments.record(asked).token
    found = home.carry_on(asked)
    assert (found.status, [each.state for each in found.missing]) == ("running", ["waiting", "waiting"])
    home.worker.train(again)
    for _ in range(2):
        home.carry_on(asked)
        home.train(asked, "student", "grandchild")
    assert home.carry_on(asked).status == "finished"
    assert [arm["n"] for arm in home.results(asked)["arms"]] == [1, 1, 1, 1]


def test_a_retry_that_a_supervisor_has_not_seen_does_not_end_the_experiment(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = home.ask(experiment_with({"teacher": {}, "student": distilled("teacher")}, seeds=1))
    teacher = home.run_of(asked, "teacher")
    home.post(f"/v1/runs/{teacher}/cancel")
    create = home.store.create_many
    retried: list[str] = []

    def create_after_a_retry(*arguments: Any, **options: Any) -> Any:
        if not retried:
            retried.append(home.post(f"/v1/runs/{teacher}/retry")["id"])
        return create(*arguments, **options)

    monkeypatch.setattr(home.store, "create_many", create_after_a_retry)
    assert [each.state for each in home.carry_on(asked).missing] == ["waiting"]
    assert [each.id for each in home.experiments.incomplete()] == [asked]


class Killed(BaseException):
    """Ends a supervisor in the middle of its work."""


def test_supervisors_that_are_killed_or_at_work_together_create_each_run_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = home.ask(experiment_with({"teacher": {}, "student": distilled("teacher")}))
    home.train(asked, "teacher")
    create = home.store.create_many

    def killed(*_: Any, **__: Any) -> Any:
        raise Killed

    monkeypatch.setattr(home.store, "create_many", killed)
    with pytest.raises(Killed):
        home.carry_on(asked)
    assert len(home.experiments.run_ids(asked)) == 2
    meeting = Barrier(2)
    tried: set[int] = set()

    def create_together(*arguments: Any, **options: Any) -> Any:
        # Each has read the same record when the first of them writes.
        if get_ident() not in tried:
            tried.add(get_ident())
            meeting.wait(60)
        return create(*arguments, **options)

    monkeypatch.setattr(home.store, "create_many", create_together)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda driver: driver.carry_on(home.experiments.record(asked), limit=LIMIT), home.drivers))
    assert len(home.experiments.run_ids(asked)) == 4

    def killed_after_the_write(*arguments: Any, **options: Any) -> Any:
        create(*arguments, **options)
        raise Killed

    home.post(f"/v1/experiments/{asked}/extend", {"seeds": 3})
    home.train(asked, "teacher")
    monkeypatch.setattr(home.store, "create_many", killed_after_the_write)
    with pytest.raises(Killed):
        home.carry_on(asked)
    monkeypatch.setattr(home.store, "create_many", create)
    assert len(home.carry_on(asked).runs) == 6


@pytest.mark.parametrize(("action", "status"), [("stop", "finished"), ("cancel", "cancelled")])
def test_an_experiment_that_is_ended_creates_no_more_runs(home: Home, action: str, status: str) -> None:
    asked = home.ask(experiment_with(seeds=1))
    home.train(asked, "alone", "teacher")
    home.post(f"/v1/experiments/{asked}/{action}")
    found = home.carry_on(asked)
    assert (found.status, len(found.runs)) == (status, 2)
    assert [each.message.rpartition(" ")[2] for each in found.missing] == [
        {"stop": "stopped", "cancel": "cancelled"}[action]
    ]
    # To extend it opens it again, and brings back the student that was given up.
    preview = home.post(f"/v1/experiments/{asked}/extend?validate_only=true", {"seeds": 2})
    assert (preview["runs"], preview["reused"]) == (4, 0)
    home.post(f"/v1/experiments/{asked}/extend", {"seeds": 2})
    assert [each.state for each in home.carry_on(asked).missing] == ["waiting"]
    home.train(asked, "teacher")
    assert len(home.carry_on(asked).runs) == len(found.runs) + preview["runs"]


def test_a_paused_experiment_creates_its_runs_when_it_is_resumed(home: Home) -> None:
    asked = home.ask(experiment_with(seeds=1))
    home.train(asked, "alone", "teacher")
    home.post(f"/v1/experiments/{asked}/pause")
    found = home.carry_on(asked)
    assert (found.status, len(found.runs)) == ("paused", 2)
    assert [(each.state, each.message) for each in found.missing] == [
        ("waiting", "will be created when the experiment is resumed")
    ]  # fmt: skip
    home.post(f"/v1/experiments/{asked}/resume")
    assert len(home.carry_on(asked).runs) == 3


def test_teachers_and_students_are_used_again_and_deleted_together(home: Home) -> None:
    like = a_worker("same").model_copy(update={"versions": PROVENANCE.versions, "memory_bytes": 10**10})
    home.store.put_worker(like, ttl=60)
    asked = home.ask(experiment_with())
    home.train(asked, "alone", "teacher")
    home.carry_on(asked)
    home.train(asked, "student")
    runs = [run.run for run in home.carry_on(asked).runs]
    preview = home.post("/v1/experiments?validate_only=true", experiment_with(seeds=3))
    # Those of the third seed are new.
    assert (preview["runs"], preview["reused"], preview["reused_reason"]) == (9, 6, None)
    other = {**VARIANTS, "teacher": {"architecture": {"hidden": [8]}}}
    preview = home.post("/v1/experiments?validate_only=true", experiment_with(other))
    assert (preview["runs"], preview["reused"], preview["reused_reason"]) == (6, 2, None)
    again = home.ask(experiment_with(name="again"))
    found = home.carry_on(again)
    assert (found.status, [run.run for run in found.runs]) == ("finished", runs)
    short = home.ask(experiment_with({"alone": {}, "teacher": VARIANTS["teacher"]}, seeds=1))
    added = {"seeds": 2, "variants": {"student": VARIANTS["student"], "grandchild": distilled("student")}}
    preview = home.post(f"/v1/experiments/{short}/extend?validate_only=true", added)
    # Two runs of the second seed and both students were finished before; the two grandchildren are new.
    assert (preview["runs"], preview["reused"], preview["reused_reason"]) == (6, 4, None)
    home.post(f"/v1/experiments/{short}/extend", added)
    found = home.carry_on(home.carry_on(short).id)
    assert [run.arm for run in found.runs if not run.reused] == ["grandchild", "grandchild"]
    home.train(short, "grandchild")
    home.carry_on(short)
    home.api.delete(f"/v1/experiments/{short}").raise_for_status()
    deletion = home.api.delete(f"/v1/experiments/{asked}", params={"validate_only": True}).json()
    assert set(deletion["kept"]) == set(runs)
    home.api.delete(f"/v1/experiments/{again}").raise_for_status()
    deletion = home.api.delete(f"/v1/experiments/{asked}", params={"validate_only": True}).json()
    assert (set(deletion["runs"]), deletion["kept"]) == (set(runs), [])
    assert home.api.delete(f"/v1/experiments/{asked}").json()["runs"] == deletion["runs"]


def test_a_student_that_cannot_be_created_is_given_up_with_the_reason(home: Home) -> None:
    asked = home.ask(experiment_with(seeds=1))
    home.train(asked, "alone")
    teacher = home.run_of(asked, "teacher")
    home.worker.claim(teacher)
    home.worker.succeed(teacher)
    home.carry_on(asked)
    found = home.carry_on(asked)
    assert found.status == "finished"
    assert f"{teacher} is succeeded and has saved no weights" in found.missing[0].message


PAIR = {"teacher": {}, "student": distilled("teacher")}


def test_a_retry_after_a_stop_creates_only_the_runs_of_its_seed(home: Home) -> None:
    asked = home.ask(experiment_with(PAIR))
    failed = home.run_of(asked, "teacher", 0)
    home.worker.claim(failed)
    home.worker.fail(failed)
    home.train(asked, "teacher")
    home.post(f"/v1/experiments/{asked}/stop")
    home.worker.train(home.post(f"/v1/runs/{failed}/retry")["id"])
    found = home.carry_on(asked)
    assert [(run.arm, run.seed) for run in found.runs] == [("teacher", 0), ("teacher", 1), ("student", 0)]
    assert [(each.seed, each.state, each.message) for each in found.missing] == [
        (1, "given_up", "was not created before the experiment was stopped")
    ]  # fmt: skip
    home.post(f"/v1/experiments/{asked}/extend", {"seeds": 3})
    assert ("student", 1) in [(run.arm, run.seed) for run in home.carry_on(asked).runs]


def test_what_may_pass_does_not_give_a_student_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = home.ask(experiment_with(PAIR, seeds=1))
    home.train(asked, "teacher")

    def absent(*_: object, **__: object) -> None:
        raise DatasetAbsent("iris", "is not on this machine")

    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "card", absent)
        assert [each.state for each in home.carry_on(asked).missing] == ["ready"]
    # Only a small worker is there at the moment.
    home.store.put_worker(a_worker("small").model_copy(update={"memory_bytes": 1}), ttl=60)
    assert len(home.carry_on(asked).runs) == 2


def test_a_teacher_of_another_version_gives_only_its_own_student_up(home: Home, service: RunningService) -> None:
    asked = home.ask(experiment_with(PAIR))
    home.train(asked, "teacher")
    teacher = home.run_of(asked, "teacher", 0)
    with Redis.from_url(service.redis_url) as redis:
        redis.hset(Keys().run(teacher), "recipe", '"from the future"')
    home.carry_on(asked)
    found = home.carry_on(asked)
    assert [(run.arm, run.seed) for run in found.runs][2:] == [("student", 1)]
    assert [(each.seed, each.state) for each in found.missing] == [(0, "given_up")]
    assert f"{teacher} was written by another version" in found.missing[0].message


def test_a_document_that_is_no_longer_valid_ends_its_experiment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = home.ask(experiment_with(PAIR, seeds=1))
    home.train(asked, "teacher")

    def refuse(_: object) -> None:
        raise RecipeInvalid([Problem(pointer="/recipe", code="conflict", message="is no longer allowed")])

    monkeypatch.setattr(arm_driver, "read_experiment", refuse)
    home.carry_on(asked)
    found = home.carry_on(asked)
    assert found.status == "finished"
    assert "is no longer allowed" in found.missing[0].message


def test_an_experiment_between_a_teacher_and_its_student_is_not_deleted(home: Home) -> None:
    asked = home.ask(experiment_with(PAIR, seeds=1))
    home.train(asked, "teacher")
    path = f"/v1/experiments/{asked}"
    for action in (None, "pause"):
        if action:
            home.post(f"{path}/{action}")
        refused = home.api.delete(path)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/illegal_action")
    home.post(f"{path}/cancel")
    assert home.api.delete(path).status_code == 200


def test_an_experiment_says_that_no_supervisor_creates_its_runs(home: Home) -> None:
    asked = home.ask(experiment_with(PAIR, seeds=1))
    assert "No supervisor is running" in (home.get(asked).reason or "")
    assert "No supervisor is running" in home.results(asked)["sentence"]
    home.experiments.supervisors.put("here", can_search=False)
    assert home.get(asked).reason is None


def test_the_runs_of_an_experiment_are_read_again_only_after_one_of_them_has_ended(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = home.ask(experiment_with(PAIR, seeds=1))
    home.carry_on(asked)
    read: list[str] = []
    runs = home.experiments.runs

    def noted(record: Any) -> Any:
        read.append(record.id)
        return runs(record)

    monkeypatch.setattr(home.experiments, "runs", noted)
    home.carry_on(asked)
    assert read == []
    home.train(asked, "teacher")
    assert len(home.carry_on(asked).runs) == 2
    assert read
