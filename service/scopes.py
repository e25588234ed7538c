"""Declares for each route which scope of an API key it needs. A route that is not listed needs `admin`."""

from typing import Literal

from fastapi import Request

from bakehouse.access.scope import Scope

Needed = Scope | Literal["open"]

# `open`: a page and its documents, which say nothing about runs; health checks; and signing in.
BY_OPERATION: dict[str, Needed] = {
    "index": "open",
    "is_alive": "open",
    "is_ready": "open",
    "get_session": "open",
    "sign_in": "open",
    "sign_out": "open",
    "list_runs": "read",
    "get_run": "read",
    "get_run_recipe": "read",
    "get_run_metrics": "read",
    "get_run_split": "read",
    "get_run_log": "read",
    "get_run_events": "read",
    "follow_runs": "read",
    "ask_what_if": "read",
    "list_checkpoints": "read",
    "get_checkpoint": "read",
    "get_weights": "read",
    "head_weights": "read",
    # Whoever may download the weights can predict with them.
    "predict": "read",
    "create_run": "submit",
    "retry_run": "submit",
    "fork_run": "submit",
    "verify_run": "submit",
    "ablate_run": "submit",
    "cancel_run": "control",
    "stop_run": "control",
    "pause_run": "control",
    "resume_run": "control",
    "change_run": "control",
    "delete_run": "control",
    "list_experiments": "read",
    "get_experiment": "read",
    "get_experiment_results": "read",
    "get_experiment_report": "read",
    "ask_experiment_what_if": "read",
    "follow_experiment": "read",
    "list_ensembles": "read",
    "get_ensemble": "read",
    "create_experiment": "submit",
    "extend_experiment": "submit",
    "create_ensemble": "submit",
    "cancel_experiment": "control",
    "stop_experiment": "control",
    "pause_experiment": "control",
    "resume_experiment": "control",
    "change_experiment": "control",
    "delete_experiment": "control",
    "get_recipe_schema": "read",
    "list_ingredients": "read",
    "preview_recipe": "submit",
    "list_studies": "read",
    "get_study": "read",
    "list_datasets": "read",
    "get_dataset": "read",
    "get_dataset_file": "read",
    "get_samples": "read",
    "create_dataset": "submit",
    "put_dataset_part": "submit",
    "complete_dataset": "submit",
    "delete_dataset": "control",
    "list_workers": "read",
    "list_queues": "read",
    "get_system": "read",
}
# Routes that the OpenAPI document leaves out.
OPEN_PATHS = {
    "/page/{name}",
    "/docs",
    "/docs/start.js",
    "/docs/{name}",
    "/openapi.json",
    "/llms.txt",
    "/problems",
    "/problems/{name}",
}


def needed_scope(request: Request) -> Needed:
    """Returns the scope that the route of a request needs."""
    route = request.scope["route"]
    if route.operation_id is None:
        return "open" if route.path in OPEN_PATHS else "admin"
    return BY_OPERATION.get(route.operation_id, "admin")
