"""Several users act on one experiment at the same time: each is answered, and nothing is half done."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx

from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.service.test_experiments import ABLATION, post

ROUNDS = 3
VARIANTS = {**ABLATION, "seeds": 1, "design": {"type": "variants", "variants": {"plain": {"norm": None}, "bn": {}}}}


def at_once(service: RunningService, *requests: Callable[[httpx.Client], httpx.Response]) -> list[int]:
    """Sends requests at the same time; returns their statuses."""
    barrier = Barrier(len(requests))

    def send(request: Callable[[httpx.Client], httpx.Response]) -> int:
        with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as client:
            client.get("/v1/experiments")
            barrier.wait()
            return request(client).status_code

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def test_extensions_at_the_same_time_lose_and_double_nothing(service: RunningService, api: httpx.Client) -> None:
    for _ in range(ROUNDS):
        path = f"/v1/experiments/{post(api, VARIANTS)['id']}"
        statuses = at_once(
            service,
            lambda client: client.post(f"{path}/extend", json={"seeds": [1]}),  # noqa: B023
            lambda client: client.post(f"{path}/extend", json={"seeds": [2]}),  # noqa: B023
            lambda client: client.post(f"{path}/extend", json={"seeds": [1]}),  # noqa: B023
        )
        assert set(statuses) <= {200, 422}
        found = api.get(path).json()
        places = Counter((each["arm"], each["seed"]) for each in found["runs"])
        assert set(places) == {(arm, seed) for arm in ("plain", "bn") for seed in found["seeds"]}
        assert found["counts"] == {"queued": len(places)}


def test_an_extension_and_a_cancel_at_the_same_time(service: RunningService, api: httpx.Client) -> None:
    for _ in range(ROUNDS):
        path = f"/v1/experiments/{post(api, VARIANTS)['id']}"
        extended, cancelled = at_once(
            service,
            lambda client: client.post(f"{path}/extend", json={"seeds": [1, 2]}),  # noqa: B023
            lambda client: client.post(f"{path}/cancel"),  # noqa: B023
        )
        assert (extended, cancelled) == (200, 202)
        counts = api.get(path).json()["counts"]
        # The new runs are either all cancelled or all there; the old ones are cancelled.
        assert counts in ({"cancelled": 6}, {"cancelled": 2, "queued": 4})


def test_retries_of_a_run_at_the_same_time_replace_it_once(
    service: RunningService, api: httpx.Client, worker: FakeWorker
) -> None:
    for _ in range(ROUNDS):
        experiment = post(api, VARIANTS)
        failed = experiment["runs"][0]["run"]
        worker.claim(failed)
        worker.fail(failed)
        retries = [lambda client: client.post(f"/v1/runs/{failed}/retry")] * 3  # noqa: B023
        assert sorted(at_once(service, *retries)) == [201, 409, 409]
        assert api.get(f"/v1/experiments/{experiment['id']}").json()["counts"] == {"queued": 2}
        assert len(api.get("/v1/runs", params={"experiment": experiment["id"]}).json()["data"]) == 3


def test_a_deletion_and_a_retry_or_an_extension_at_the_same_time(
    service: RunningService, api: httpx.Client, worker: FakeWorker
) -> None:
    for _ in range(ROUNDS):
        experiment = post(api, VARIANTS)
        path = f"/v1/experiments/{experiment['id']}"
        api.post(f"{path}/cancel")
        run_id = experiment["runs"][0]["run"]
        deleted, retried, extended = at_once(
            service,
            lambda client: client.delete(path),  # noqa: B023
            lambda client: client.post(f"/v1/runs/{run_id}/retry"),  # noqa: B023
            lambda client: client.post(f"{path}/extend", json={"seeds": [1]}),  # noqa: B023
        )
        assert deleted in (200, 409)
        assert retried in (201, 404)
        assert extended in (200, 404)
        found = api.get(path)
        runs = api.get("/v1/runs", params={"experiment": experiment["id"]}).json()["data"]
        if deleted == 200:
            assert (found.status_code, runs, extended) == (404, [], 404)
        else:
            assert found.status_code == 200
            assert "queued" in found.json()["counts"]
            assert len(found.json()["runs"]) == (4 if extended == 200 else 2)
        for run_id in worker.store.waiting():
            # A retry whose experiment was deleted stands alone.
            assert deleted == 409 or worker.store.record(run_id).experiment is None
            api.post(f"/v1/runs/{run_id}/cancel")
