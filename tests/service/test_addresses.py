"""What a client is told about an address or a method that the service does not have."""

import re

import httpx
import pytest

from service.addresses import WORDS, WORDS_ON_A_RUN, describe_missing
from tests.service.requests import problem

RUN = "/v1/runs/run_222222222222"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/runs", "`/v1/runs`"), ("/v1/run", "`/v1/runs`"), ("/v2/runs", "`/v1/runs`"), ("/v1/runs/", "`/v1/runs`"),
        ("/v1/dataset/iris", "`/v1/datasets"), ("/doc", "`/docs`"), (f"{RUN}/metric", f"`{RUN}/metrics`"),
        ("/runs/run_222222222222", f"`{RUN}`"), (f"{RUN}/stopp", f"`{RUN}/stop`"),
        ("/v1/recipes/lint", "`POST /v1/runs?validate_only=true`"), ("/v1/users", "docs/keys.md"),
        (f"{RUN}/export", "bakehouse code run_222222222222"), (f"{RUN}/results", f"`GET {RUN}`"),
        (f"{RUN}/model.pt", f"`GET {RUN}/checkpoints/best/model.safetensors`"),
        ("/nope", "`GET /docs`"), (f"{RUN}/nope", "metrics, pause, "),
    ],
)  # fmt: skip
def test_an_address_that_does_not_exist_leads_to_the_one_that_was_meant(
    path: str, meant: str, api: httpx.Client
) -> None:
    document = problem(api.get(path), 404)
    assert document["type"] == "/problems/not_found"
    assert meant in str(document["detail"])


def test_a_prediction_by_http_leads_to_the_weights_and_the_script(api: httpx.Client) -> None:
    detail = str(problem(api.post(f"{RUN}/predict", json={"rows": [[1, 2]]}), 404)["detail"])
    assert f"{RUN}/checkpoints/best/model.safetensors" in detail
    assert "bakehouse code run_222222222222" in detail


def test_each_address_that_is_named_exists(api: httpx.Client) -> None:
    known = set(api.get("/openapi.json").json()["paths"]) | {"/docs", "/llms.txt"}
    for text in (*WORDS, *WORDS_ON_A_RUN):
        for path in re.findall(r"`[A-Z]+ (/[^`?]*)", text):
            assert path.replace("/best/", "/{epoch_or_role}/") in known


def test_addresses_are_named_below_the_prefix_of_a_proxy() -> None:
    assert "`/bake/v1/runs`" in describe_missing("/run", ["/v1/runs"], prefix="/bake")
    assert "`POST /bake/v1/runs?validate_only=true`" in describe_missing("/lint", [], prefix="/bake")


def test_what_the_client_sent_is_not_repeated() -> None:
    assert "secret" not in describe_missing("/v1/secret\r\n<b>", ["/v1/runs"])


def test_a_wrong_method_names_the_right_ones(api: httpx.Client) -> None:
    assert "takes GET, POST, not PUT" in str(problem(api.put("/v1/runs"), 405)["detail"])
    assert "`POST /v1/datasets` uploads one" in str(problem(api.patch("/v1/datasets"), 405)["detail"])
