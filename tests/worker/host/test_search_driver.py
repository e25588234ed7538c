"""What supervisors do for searches, on a real Redis with a fake worker."""

import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, get_ident
from typing import Any

import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotReady
from bakehouse.experiments.document import read_document
from bakehouse.experiments.experiment import Experiment, ExperimentRecord
from bakehouse.experiments.store import ExperimentStore, new_experiment_id
from bakehouse.experiments.stored_answers import read_results
from bakehouse.prepare import dataset_problem
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import RequestAction, Succeed
from bakehouse.runs.errors import ExperimentChanged
from bakehouse.runs.marker import register_folder
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from tests.fake_worker import FakeWorker
from tests.runs.examples import PROVENANCE, a_worker
from worker.host.late_recipes import LateRecipes
from worker.host.search_driver import SearchDriver
from worker.host.supervisor import Supervisor

SEARCH: dict[str, Any] = {
    "recipe": {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [4]}, "epochs": 9},
    "design": {
        "type": "search",
        "space": {
            "/optimizer/lr": {"type": "log_uniform", "low": 1e-4, "high": 0.3},
            "/norm": {"type": "choice", "values": ["none", "batch_norm"]},
        },
        "trials": 14,
        "pruner": "successive_halving",
        "confirm": {"top": 2, "seeds": 2},
    },
    "max_running": 1,
}


class Killed(BaseException):
    """Ends a supervisor in the middle of its work."""


@dataclass
class Home:
    """A store of experiments with a fake worker and two supervisors."""

    store: Store
    experiments: ExperimentStore
    worker: FakeWorker
    supervisor: Supervisor
    drivers: list[SearchDriver] = field(default_factory=list)

    def post(self, document: dict[str, Any]) -> str:
        read = read_document(document)
        record = ExperimentRecord(
            id=new_experiment_id(),
            name=None,
            document=read,
            seeds=tuple(read.seeds),
            metric="validation_loss",
            baseline=None,
            factors=(),
            dataset="iris",
            architecture="mlp",
            arms=(),
            reused=(),
            is_complete=False,
            max_running=read.max_running,
        )
        self.experiments.create(record, [])
        return record.id

    def carry_on(self, experiment_id: str) -> None:
        for driver in self.drivers:
            driver.carry_on(self.experiments.record(experiment_id))

    def train(self, run_id: str, look: Callable[[], None]) -> None:
        """Trains a run to its end; a supervisor looks after each epoch."""
        recipe = self.store.record(run_id).recipe
        self.worker.claim(run_id)
        for epoch in range(1, recipe.epochs + 1):
            loss = abs(math.log(recipe.optimizer.lr / 0.01)) + 1 / epoch
            self.worker.log_epoch(run_id, epoch, validation_loss=loss)
            look()
            if self.store.record(run_id).request == "prune":
                break
        self.worker.save_best(run_id, epoch, run_id.encode(), loss=loss)
        if epoch < recipe.epochs:
            self.store.command(run_id, Succeed(run_id, "pruned", PROVENANCE))
        else:
            self.worker.succeed(run_id)

    def finish(self, experiment_id: str, look: Callable[[], None]) -> Experiment:
        """Lets one worker train until the experiment is over."""
        for _ in range(100):
            look()
            found = self.experiments.get(experiment_id)
            if found.status == "finished":
                return found
            queued = [run.run for run in found.runs if run.status == "queued"]
            assert len(queued) <= (6 if self.experiments.record(experiment_id).is_complete else 1)
            for run_id in queued:
                self.train(run_id, look)
        raise AssertionError("the search has not ended")


@pytest.fixture
def home(redis_url: str, tmp_path: Path) -> Iterator[Home]:
    settings = Settings(home=tmp_path, redis_url=redis_url, workers=0)
    redis = connect(redis_url, patient=True)
    artifacts = Artifacts(settings.artifacts)
    store = Store(redis, artifacts=artifacts)
    experiments = ExperimentStore(redis, store)
    register_folder(settings, store)
    supervisor = Supervisor(settings, store, WakeQueue(redis), experiments)
    found = Home(store, experiments, FakeWorker(store, artifacts), supervisor)
    found.drivers = [SearchDriver(settings, store, experiments) for _ in range(2)]
    yield found
    redis.close()


def test_a_search_whose_supervisors_are_killed_has_the_same_trials_as_one_that_is_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = home.post(SEARCH)
    whole = home.finish(first, lambda: home.carry_on(first))
    second = home.post({**SEARCH, "name": "again"})
    create = home.store.create_many
    writes = 0

    def killed_in_every_second_write(*arguments: Any, **options: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes % 2:
            # Half of them have written what they were about to write.
            if writes % 4 == 1:
                create(*arguments, **options)
            raise Killed
        return create(*arguments, **options)

    monkeypatch.setattr(home.store, "create_many", killed_in_every_second_write)

    def look() -> None:
        for driver in home.drivers:
            try:
                driver.carry_on(home.experiments.record(second))
            except Killed:
                continue

    killed = home.finish(second, look)
    assert writes > len(whole.trials)
    assert killed.trials == whole.trials
    assert [trial.number for trial in killed.trials] == list(range(14))
    for search in (whole, killed):
        assert [(run.arm, run.seed) for run in search.runs[:14]] == [(f"trial {number}", 0) for number in range(14)]
        confirmed = [(run.arm, run.seed) for run in search.runs[14:]]
        assert confirmed == [(arm.name, seed) for arm in search.arms[14:] for seed in (1, 2)]
        assert search.arms[14].name == search.baseline == "recipe"
        assert search.arms[14].differs == {}
        assert [arm.name.split()[2] for arm in search.arms[15:]] == ["confirmed"] * 2
    records = [home.store.record(run.run) for run in whole.runs]
    assert {record.reason for record in records} == {"pruned", "epochs_done"}
    for record in records:
        assert record.best is not None
        assert record.status == "succeeded"
        if record.reason == "pruned":
            assert record.progress.epoch in (1, 3)
    best = min(records[:14], key=lambda record: record.best.value if record.best else math.inf)
    assert best.experiment is not None
    assert whole.arms[15].name == f"{best.experiment.arm} confirmed"
    assert whole.arms[15].differs == whole.arms[int(best.experiment.arm.split()[1])].differs
    assert home.experiments.incomplete() == []
    pruned = [arm.name for arm in read_results(home.experiments, first).arms if arm.pruned]
    assert pruned == [record.experiment.arm for record in records if record.experiment and record.reason == "pruned"]
    results = read_results(home.experiments, first)
    assert [arm.name for arm in results.arms if arm.difference] == [arm.name for arm in whole.arms[15:]]
    row = home.experiments.brief(home.experiments.record(first))
    assert row.runs == len(whole.runs) == 14 + 3 * 2
    answer = results.search
    assert answer is not None
    assert answer.importances is None
    assert f"trial {answer.best_so_far[-1].trial}" == best.experiment.arm


def test_trials_that_were_over_before_they_could_be_pruned_are_marked_and_cannot_win(home: Home) -> None:
    design = {**SEARCH["design"], "trials": 8}
    asked = home.post({**SEARCH, "design": design})
    while (found := home.experiments.get(asked)).status != "finished":
        home.carry_on(asked)
        for run in found.runs:
            if run.status == "queued":
                home.train(run.run, lambda: None)
    assert {home.store.record(run.run).reason for run in found.runs} == {"epochs_done"}
    results = read_results(home.experiments, asked)
    pruned = {arm.name for arm in results.arms if arm.pruned}
    assert pruned
    assert pruned.isdisjoint(arm.name.removesuffix(" confirmed") for arm in results.arms if arm.takes_part)
    assert results.search is not None
    assert pruned.isdisjoint(f"trial {each.trial}" for each in results.search.best_so_far)


def test_two_supervisors_at_the_same_moment_make_each_trial_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    design = {**SEARCH["design"], "trials": 6, "confirm": None}
    document = {**SEARCH, "recipe": {**SEARCH["recipe"], "epochs": 2}, "design": design}
    first = home.post(document)
    whole = home.finish(first, lambda: home.carry_on(first))
    second = home.post({**document, "name": "again"})
    create = home.store.create_many
    meeting = Barrier(2)
    tried: set[int] = set()
    refused = 0

    def create_together(*arguments: Any, **options: Any) -> Any:
        nonlocal refused
        # Each has read the same record when the first of them writes; the other is refused and reads again.
        if get_ident() not in tried:
            tried.add(get_ident())
            meeting.wait(60)
        try:
            return create(*arguments, **options)
        except ExperimentChanged:
            refused += 1
            raise

    monkeypatch.setattr(home.store, "create_many", create_together)

    def look() -> None:
        tried.clear()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda driver: driver.carry_on(home.experiments.record(second)), home.drivers))

    raced = home.finish(second, look)
    assert refused >= 6
    assert raced.trials == whole.trials
    assert [(run.arm, run.seed) for run in raced.runs] == [(f"trial {number}", 0) for number in range(6)]
    assert len(home.experiments.run_ids(second)) == 6


def test_a_trial_that_fails_does_not_stop_a_search_nor_do_values_that_exclude_each_other(home: Home) -> None:
    space = {
        "/optimizer": {"type": "choice", "values": ["sgd", "adam"]},
        "/optimizer/betas": {"type": "choice", "values": [[0.9, 0.99], [0.8, 0.99]]},
    }
    design = {"type": "search", "space": space, "trials": 6, "sampler": "random"}
    search = home.post({**SEARCH, "design": design})
    for _ in range(20):
        home.carry_on(search)
        for run in home.experiments.get(search).runs:
            if run.status == "queued":
                home.worker.claim(run.run)
                home.worker.fail(run.run)
    found = home.experiments.get(search)
    assert (found.status, len(found.trials)) == ("finished", 6)
    problems = [trial.problem for trial in found.trials if trial.parameters["/optimizer"] == 0]
    assert problems
    assert {problem.code for problem in problems if problem} == {"unknown_pointer"}
    assert len(found.runs) == 6 - len(problems)


UNREADABLE = [
    DatasetAbsent("iris", "is not on this machine"),
    DatasetBroken("iris", "cannot be read"),
    DatasetNotReady("iris", retry_after=1),
]


@pytest.mark.parametrize("error", UNREADABLE, ids=lambda error: type(error).__name__)
def test_a_search_waits_while_its_data_set_cannot_be_read(
    home: Home, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    document = {**SEARCH, "design": {**SEARCH["design"], "trials": 3, "pruner": "none"}}
    first = home.post(document)
    whole = home.finish(first, lambda: home.carry_on(first))
    second = home.post({**document, "name": "again"})

    def fail(*_: object, **__: object) -> None:
        raise error

    def look() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Catalog, "card", fail)
            before = home.experiments.get(second)
            home.carry_on(second)
            assert home.experiments.get(second) == before
        home.carry_on(second)

    found = home.finish(second, look)
    assert found.trials == whole.trials
    assert [arm.name for arm in found.arms] == [arm.name for arm in whole.arms]
    assert len(found.runs) == 3 + 3 * 2


def test_a_search_goes_on_while_only_a_small_worker_is_there(home: Home) -> None:
    search = home.post(SEARCH)
    home.store.put_worker(a_worker("small").model_copy(update={"memory_bytes": 1}), ttl=60)
    home.carry_on(search)
    [trial] = home.experiments.get(search).trials
    assert trial.problem is None


def test_a_winner_that_can_no_longer_be_trained_does_not_take_the_place_of_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {**SEARCH, "design": {**SEARCH["design"], "trials": 3, "pruner": "none"}}
    first = home.post(document)
    whole = home.finish(first, lambda: home.carry_on(first))
    best, next_best = home.experiments.record(first).confirmed
    prepare = LateRecipes.prepare
    lr = whole.trials[best].parameters["/optimizer/lr"]
    second = home.post({**document, "name": "again"})

    def refuse_the_best(recipes: LateRecipes, recipe: dict[str, Any]) -> Any:
        trials = home.experiments.get(second).trials
        if len(trials) == 3 and recipe["optimizer"]["lr"] == lr:
            raise dataset_problem("unknown_dataset", "was deleted")
        return prepare(recipes, recipe)

    monkeypatch.setattr(LateRecipes, "prepare", refuse_the_best)
    found = home.finish(second, lambda: home.carry_on(second))
    assert [arm.name for arm in found.arms[3:]] == ["recipe", f"trial {next_best} confirmed"]
    assert home.experiments.record(second).confirmed == (next_best,)


def test_a_search_that_is_paused_creates_no_trial(home: Home) -> None:
    search = home.post({**SEARCH, "max_running": 3})
    home.experiments.change(search, lambda record: (record.model_copy(update={"request": "pause"}), ()))
    home.carry_on(search)
    assert home.experiments.get(search).trials == ()
    home.experiments.change(search, lambda record: (record.model_copy(update={"request": None}), ()))
    home.carry_on(search)
    assert len(home.experiments.get(search).trials) == 1
    deleted = home.experiments.record(search).model_copy(update={"id": "exp_222222222222"})
    home.drivers[0].carry_on(deleted)


def test_a_run_that_a_user_has_asked_for_something_else_is_not_pruned(home: Home) -> None:
    search = home.post({**SEARCH, "design": {**SEARCH["design"], "sampler": "random"}})
    for asked in range(6):
        home.carry_on(search)
        [run] = [each for each in home.experiments.get(search).runs if each.status == "queued"]
        home.worker.claim(run.run)
        home.worker.log_epoch(run.run, 1, validation_loss=float(1 + asked))
        home.worker.save_best(run.run, 1, run.run.encode(), loss=float(1 + asked))
        home.store.command(run.run, RequestAction("stop"))
        home.carry_on(search)
        assert home.store.record(run.run).request == "stop"
        home.worker.succeed(run.run)


def test_a_search_says_that_optuna_is_missing_and_goes_on_when_it_is_there(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = home.post(SEARCH)
    assert "No supervisor is running" in str(home.experiments.get(search).reason)
    with monkeypatch.context() as without_optuna:
        # Python imports nothing whose entry is None.
        for name in ("optuna", "bakehouse.experiments.sampling"):
            without_optuna.setitem(sys.modules, name, None)
        home.supervisor.tick()
        found = home.experiments.get(search)
        assert (found.status, found.trials) == ("queued", ())
        assert "bakehouse[search]" in str(found.reason)
    home.supervisor.tick()
    found = home.experiments.get(search)
    assert (found.reason, len(found.trials)) == (None, 1)
