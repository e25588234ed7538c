"""The rows of a run's splits, counted in the user's files, and the data sets whose rows are refused."""

import io
import shutil
from itertools import chain
from pathlib import Path

import httpx
import numpy as np
import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.data.known_datasets import BUILTIN
from bakehouse.runs.run import Run
from bakehouse.runs.split import RunSplit
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from service import split
from service.errors import InvalidRequest, SplitUnknown
from service.split import split_as_json, split_as_npz
from tests.service.requests import create, problem
from tests.stored_runs import store_run
from tests.user_files import USER_FILES


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    return Settings(home=tmp_path / "home", data=tmp_path / "data")


def submit(settings: Settings, redis_url: str, kind: str) -> Run:
    """Writes a user's file and stores a run that learns it."""
    assert settings.data is not None
    user_file = USER_FILES[kind]
    user_file.write(settings.data / user_file.name)
    store = Store(connect(redis_url, patient=False))
    return store.record(store_run(store, settings, user_file.document))


def read_split(api: httpx.Client, run_id: str) -> RunSplit:
    return RunSplit.model_validate_json(api.get(f"/v1/runs/{run_id}/split").content)


def test_the_rows_of_a_built_in_set_are_listed_before_the_run_begins(api: httpx.Client) -> None:
    found = read_split(api, create(api, dataset={"id": "iris", "validation_fraction": 0.25}))
    parts = (found.train, found.validation, found.test)
    assert [part.count for part in parts] == [len(part.rows) for part in parts] == [90, 30, 30]
    assert {part.source for part in parts} == {"x.npy"}
    assert sorted(chain(*(part.rows for part in parts))) == list(range(150))
    labels = np.load(BUILTIN / "iris" / "y.npy")
    # Every split has the classes in proportion.
    assert [np.bincount(labels[list(part.rows)]).tolist() for part in parts] == [[30] * 3, [10] * 3, [10] * 3]
    other = read_split(api, create(api, dataset={"id": "iris", "split_seed": 1}))
    assert other.test.rows != found.test.rows


def test_a_run_validates_on_the_rows_of_its_fold(api: httpx.Client) -> None:
    parts = [read_split(api, create(api, dataset={"id": "iris", "folds": 5, "fold": fold})) for fold in range(5)]
    assert [(part.folds, part.fold) for part in parts] == [(5, fold) for fold in range(5)]
    assert len({part.test.rows for part in parts}) == 1
    rows = chain(parts[0].test.rows, *(part.validation.rows for part in parts))
    assert sorted(rows) == list(range(150))
    refused = problem(api.post("/v1/runs", json={"dataset": {"id": "iris", "folds": 5}, "architecture": "mlp"}), 422)
    assert "a run trains one of the 5 folds: say which, 0 to 4" in str(refused["errors"])


def test_the_rows_are_arrays_for_numpy(api: httpx.Client) -> None:
    run_id = create(api)
    found = read_split(api, run_id)
    response = api.get(f"/v1/runs/{run_id}/split", params={"format": "npz"})
    arrays = np.load(io.BytesIO(response.content))
    assert response.headers["content-disposition"] == f'attachment; filename="{run_id}-split.npz"'
    for name in ("train", "validation", "test"):
        assert tuple(arrays[name].tolist()) == getattr(found, name).rows
    assert str(arrays["fingerprint"]) == found.fingerprint


def test_an_unknown_run_or_format_is_refused(api: httpx.Client) -> None:
    assert problem(api.get("/v1/runs/run_222222222222/split"), 404)
    refused = api.get(f"/v1/runs/{create(api)}/split", params={"format": "xml"})
    assert "'json' or 'npz'" in str(problem(refused, 422)["errors"])


@pytest.mark.parametrize(
    ("kind", "sources"),
    [
        ("csv with text classes", ["Trees.csv"] * 3),
        ("npz of images", ["x", "x", "x_test"]),
        ("pictures", ["pets"] * 3),
        ("pictures with splits", ["train", "val", "test"]),
        ("idx", ["train-images-idx3-ubyte.gz"] * 2 + ["t10k-images-idx3-ubyte.gz"]),
        ("cifar10", ["the training files"] * 2 + ["the test file"]),
    ],
)
def test_the_rows_of_each_source_are_divided_completely(
    settings: Settings, redis_url: str, kind: str, sources: list[str]
) -> None:
    run = submit(settings, redis_url, kind)
    found = split_as_json(run, Catalog(settings))
    parts = (found.train, found.validation, found.test)
    assert [part.source for part in parts] == sources
    assert found.file == USER_FILES[kind].name
    assert found.fingerprint == run.dataset_fingerprint
    for source in sources:
        rows = list(chain(*(part.rows for part in parts if part.source == source)))
        assert sorted(rows) == list(range(len(rows)))


@pytest.mark.parametrize("kind", ["pictures", "pictures with splits"])
def test_each_row_of_a_folder_has_its_path(settings: Settings, redis_url: str, kind: str) -> None:
    found = split_as_json(submit(settings, redis_url, kind), Catalog(settings))
    assert settings.data is not None
    folder = settings.data / found.file
    seen: dict[str, dict[int, str]] = {}
    for part in (found.train, found.validation, found.test):
        assert part.paths is not None
        seen.setdefault(part.source, {}).update(zip(part.rows, part.paths, strict=True))
    paths = [path for each in seen.values() for path in each.values()]
    everything = [path for path in folder.rglob("*.*") if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
    assert sorted(paths) == sorted(str(path.relative_to(folder)) for path in everything)
    for each in seen.values():
        in_order = [each[row].split("/") for row in range(len(each))]
        assert in_order == sorted(in_order)


def test_the_arrays_of_pictures_have_their_paths_and_labels(settings: Settings, redis_url: str) -> None:
    run = submit(settings, redis_url, "pictures")
    found = split_as_json(run, Catalog(settings))
    arrays = np.load(io.BytesIO(split_as_npz(run, Catalog(settings))))
    assert tuple(arrays["test_paths"].tolist()) == found.test.paths
    assert tuple(arrays["train_labels"].tolist()) == found.train.labels
    assert found.train.labels == tuple(path.split("/")[0] for path in found.train.paths or ())


@pytest.mark.parametrize("kind", ["csv with text classes", "pictures"])
def test_the_rows_of_data_that_have_changed_are_refused(settings: Settings, redis_url: str, kind: str) -> None:
    run = submit(settings, redis_url, kind)
    assert settings.data is not None
    path = settings.data / USER_FILES[kind].name
    if path.is_dir():
        next(path.rglob("*.png")).unlink()
    else:
        path.write_text(path.read_text(encoding="utf-8").replace("beech", "birch"), encoding="utf-8")
    catalog = Catalog(settings)
    catalog.card(run.recipe.dataset.id, wait_seconds=60)
    with pytest.raises(
        SplitUnknown, match=r"has changed since the run was submitted; put its old files back, or.*train again\.$"
    ):
        split_as_json(run, catalog)


def test_the_rows_of_data_that_are_gone_are_refused(settings: Settings, redis_url: str) -> None:
    run = submit(settings, redis_url, "csv with text classes")
    assert settings.data is not None
    shutil.rmtree(settings.data)
    settings.data.mkdir()
    with pytest.raises(SplitUnknown, match="cannot be listed: there is no data set trees"):
        split_as_json(run, Catalog(settings))


def test_more_rows_than_json_should_have_are_refused(
    settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit(settings, redis_url, "npz of rows")
    monkeypatch.setattr(split, "MAX_JSON_ROWS", 79)
    with pytest.raises(InvalidRequest) as caught:
        split_as_json(run, Catalog(settings))
    [error] = caught.value.errors
    assert (error.parameter, error.allowed) == ("format", ("npz",))
