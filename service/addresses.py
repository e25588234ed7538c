"""Says what a client may have meant by an address that the service does not have."""

import re
from collections.abc import Sequence

from bakehouse.recipe.problems import nearest_names

RUN_ID = re.compile(r"run_[0-9a-z]+")
A_RUN = "/v1/runs/{run_id}"
ADDRESS = re.compile(r"`(?:[A-Z]+ )?(?=/)")
NEAR = 0.6
"""Least similarity of a path to the one that was asked for."""
LIST = "`GET /docs` shows all addresses of the API, and `GET /llms.txt` describes them for programs."

SCRIPT = (
    f"The service does not compute predictions or convert weights: `GET {A_RUN}/checkpoints/best/model.safetensors` "
    "has the weights, and `bakehouse code {run_id}` prints the script that loads them in plain PyTorch and takes new "
    "rows. With `--evaluate` the script computes the recorded test metrics again."
)
WEIGHTS = (
    f"`GET {A_RUN}/checkpoints/best/model.safetensors` has the best weights, and `GET {A_RUN}/checkpoints` lists all."
)
RUN = f"`GET {A_RUN}` has the status, the results and the verdict."
METRICS = f"`GET {A_RUN}/metrics` has the metrics of all epochs, as JSON or with `?format=csv`."
EVENTS = f"`GET {A_RUN}/events` follows the run, with `Accept: text/event-stream` as a stream."
END = f"`POST {A_RUN}/stop` ends the run and keeps its best weights, and `POST {A_RUN}/cancel` gives it up."
AGAIN = f"`POST {A_RUN}/fork` trains a changed recipe from the best weights on, and `POST {A_RUN}/retry` repeats a run."
SUBMIT = "`POST /v1/runs` submits a recipe, and `GET /v1/runs` lists the runs."
CHECK = "`POST /v1/runs?validate_only=true` checks a recipe without training it."
DATA = (
    "`GET /v1/datasets` lists the data sets, and `POST /v1/datasets` uploads one; a file or folder in the folder "
    "BAKEHOUSE_DATA of the service becomes one too."
)
KEYS = (
    "`POST /v1/session` signs a browser in; programs send `Authorization: Bearer KEY`. `bakehouse keys create` makes "
    "a key: docs/keys.md."
)
HEALTH = "`GET /healthz/ready` says whether the service can work, and `GET /v1/system` has more about it."
COMPARE = "`GET /v1/runs` has the best metrics of all runs; `bakehouse compare` and the page at `/` compare them."

WORDS_ON_A_RUN = {
    SCRIPT: "predict prediction predictions infer inference score evaluate evaluation test serve deploy code script "
    "export onnx torchscript",
    WEIGHTS: "download weights best model artifact artifacts file files safetensors checkpoint last",
    RUN: "status state result results verdict advice summary progress info provenance",
    METRICS: "history curve curves loss losses accuracy epochs steps",
    EVENTS: "stream watch follow tail sse ws websocket live",
    END: "kill abort delete terminate end finish",
    AGAIN: "restart rerun continue clone copy fine-tune finetune",
}
WORDS = {
    SCRIPT: "predict prediction predictions infer inference evaluate export onnx",
    SUBMIT: "job jobs train training trainings experiment experiments model models submit fit task tasks",
    CHECK: "lint validate check dry-run",
    DATA: "data upload uploads file files csv",
    KEYS: "login auth token tokens user users key keys account accounts",
    HEALTH: "health healthz ping status ready live liveness readiness version info",
    COMPARE: "compare diff leaderboard",
}
"""Last words of addresses that other services have, and what does the same here."""


def describe_missing(path: str, templates: Sequence[str], *, prefix: str = "") -> str:
    """Returns sentences about a path that no route has. `templates` are the paths of all routes, which a proxy serves
    below the prefix."""
    found = RUN_ID.search(path)
    words = WORDS if found is None else WORDS_ON_A_RUN
    last = path.rstrip("/").rpartition("/")[2].partition(".")[0].lower()
    text = next((text for text, names in words.items() if last in names.split()), None)
    if text is None:
        text = name_the_nearest(RUN_ID.sub("{run_id}", path.rstrip("/")), templates)
    text = text.replace("{run_id}", found[0] if found else "{id}")
    return "There is no such address. " + ADDRESS.sub(lambda start: start[0] + prefix, text)


def name_the_nearest(path: str, templates: Sequence[str]) -> str:
    """Returns a sentence with the path that a misspelt path may have meant, or with all that are possible."""
    under = f"{A_RUN}/"
    if not path.startswith(under):
        near = nearest_names(path, templates, cutoff=NEAR)
        return f"Did you mean `{near[0]}`?" if near else LIST
    # Compared as a whole, an unknown word below a run would be like the run itself.
    names = [template.removeprefix(under) for template in templates if template.startswith(under)]
    near = nearest_names(path.removeprefix(under), names, cutoff=NEAR)
    if near:
        return f"Did you mean `{under}{near[0]}`?"
    return f"Below `{A_RUN}` are {', '.join(sorted(name for name in names if '/' not in name))}. {LIST}"


def describe_method(method: str, path: str, allowed: Sequence[str]) -> str:
    """Returns a sentence about a method that an existing path does not have."""
    text = f"This address takes {', '.join(allowed)}, not {method}."
    return f"{text} {DATA}" if path.startswith("/v1/datasets") else text
