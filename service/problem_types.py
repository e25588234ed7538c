"""The registry of problem types: what a failed request may be told, with its status, its cause and what to do.

`service/errors.py` and `service/error_responses.py` take statuses from here, `/problems/NAME` shows each type, and
`make docs` writes docs/problems.md.
"""

from bakehouse.model import Model

PATH = "/problems/"
"""The beginning of each type's address, below the prefix that a proxy names in `X-Forwarded-Prefix`."""


class ProblemType(Model):
    """A reason why requests fail."""

    name: str
    """The last part of a problem's `type`, which programs can compare."""
    status: int
    """The HTTP status."""
    cause: str
    """What has happened."""
    fix: str
    """What to do about it."""


def problem_type(name: str, status: int, cause: str, fix: str) -> ProblemType:
    """Returns a problem type without the names of its fields, which would hide the text below."""
    return ProblemType(name=name, status=status, cause=cause, fix=fix)


KINDS = (
    problem_type(
        "malformed_request", 400, "The bytes are not an HTTP request, or it has no header `Host` or several.",
        "Send the request with an HTTP library, and let the library set `Host`.",
    ),
    problem_type(
        "malformed_json", 400, "The body is not JSON, or has duplicate keys or numbers that are not finite.",
        "Correct the body at the line and column in `detail`. JSON is UTF-8 and has no NaN and no comments.",
    ),
    problem_type(
        "incomplete_body", 400, "The connection closed before the body was complete.",
        "Send the request again; with the same `Idempotency-Key` nothing is done twice.",
    ),
    problem_type(
        "unauthorized", 401, "The request has no valid API key: it has none, or one that is not accepted (any more).",
        "Send `Authorization: Bearer KEY`, once, and the key nowhere else. `bakehouse` and its Python client take it "
        "from `BAKEHOUSE_API_KEY`. Whoever runs the service makes keys with `bakehouse keys create`.",
    ),
    problem_type(
        "scope_missing", 403, "The API key does not have the scope that the request needs.",
        "Ask whoever runs the service for a key with the scope in `detail`.",
    ),
    problem_type(
        "cross_site_request", 403, "A web page of another site tried to change something.",
        "Send the request from a page of this service or from a program. A page behind a proxy that changes `Host` "
        "needs its host in `BAKEHOUSE_ALLOWED_HOSTS`.",
    ),
    problem_type(
        "not_found", 404, "There is no such path.",
        "Look the path up at `/docs`. Behind a proxy, check that it passes the path on without its prefix.",
    ),
    problem_type(
        "run_not_found", 404, "There is no run with this id.",
        "`GET /v1/runs` lists all runs. A run that was deleted is gone.",
    ),
    problem_type(
        "ensemble_not_found", 404, "The experiment has no ensemble of this name.",
        "`GET /v1/experiments/{id}/ensembles` lists them with their names.",
    ),
    problem_type(
        "experiment_not_found", 404, "There is no experiment with this id.",
        "`GET /v1/experiments` lists all experiments. An experiment that was deleted is gone.",
    ),
    problem_type(
        "log_not_found", 404, "The run has no such attempt, or no worker has taken it yet.",
        "`attempt` of the run is the number of the latest attempt; without the parameter, its log is returned.",
    ),
    problem_type(
        "checkpoint_not_found", 404, "The run does not have this checkpoint.",
        "`GET /v1/runs/{id}/checkpoints` lists those it has; `best` exists from the end of the first epoch on.",
    ),
    problem_type(
        "dataset_not_found", 404, "There is no data set of this name.",
        "`GET /v1/datasets` lists all names. A file of your own becomes a data set by `bakehouse data add FILE`, or in "
        "the folder `BAKEHOUSE_DATA`.",
    ),
    problem_type(
        "study_not_found", 404, "The cookbook has no study of this name.",
        "`GET /v1/cookbook` lists all studies.",
    ),
    problem_type(
        "method_not_allowed", 405, "The path does not have this method.",
        "The header `Allow` lists the methods of the path.",
    ),
    problem_type(
        "request_timeout", 408, "The headers or the body did not arrive in time.",
        "Send the request again, over a faster connection or with a smaller body.",
    ),
    problem_type(
        "illegal_transition", 409, "The run's status or its pending request does not allow this action.",
        "Read `run_status` and `run_request`. A run that is over can be retried or forked; it cannot be stopped.",
    ),
    problem_type(
        "run_has_dependants", 409, "Other runs build on the weights of the run that you asked to delete.",
        "Delete the runs in `dependants` first, or keep this one.",
    ),
    problem_type(
        "run_in_experiment", 409, "The run that you asked to delete is a part of the answer of an experiment.",
        "Delete the experiment, which deletes its runs too, or keep the run.",
    ),
    problem_type(
        "run_replaced", 409, "The run was retried before, and another run is in its place in the experiment.",
        "Retry that run, which `detail` names, once it is over.",
    ),
    problem_type(
        "experiment_unreadable", 409,
        "Another version of Bakehouse wrote the experiment, and this version cannot read it.",
        "Read the experiment with the version that wrote it, or a newer one.",
    ),
    problem_type(
        "illegal_action", 409, "The status of the experiment does not allow this action.",
        "Read its `status` and `request`. An experiment that was stopped or cancelled cannot be resumed; post its "
        "`document` again, which uses the runs that are finished.",
    ),
    problem_type(
        "no_ensemble", 409, "The runs of the arm cannot be one model: fewer than two are finished, they are a "
        "cross-validation, weights of a member are gone or damaged, or the data set has changed.",
        "`detail` says which, and what to do. `GET /v1/experiments/{id}` lists the runs with their status.",
    ),
    problem_type(
        "experiment_changed", 409, "The experiment was changed or deleted during the request.",
        "Read the experiment, and send the request again if it still makes sense.",
    ),
    problem_type(
        "source_run_deleted", 409, "A run that the recipe builds on was deleted during the request.",
        "Name the checkpoint of another run in the recipe.",
    ),
    problem_type(
        "run_unreadable", 409, "Another version of Bakehouse wrote the run, and this version cannot read it.",
        "Read the run with the version that wrote it, or a newer one.",
    ),
    problem_type(
        "dataset_not_ready", 409, "The data set is being packed.",
        "Send the request again after the seconds in `Retry-After`.",
    ),
    problem_type(
        "dataset_complete", 409, "The upload is complete, so that its parts cannot change any more.",
        "Upload the file again: a name that was uploaded before gets another version.",
    ),
    problem_type(
        "dataset_needed", 409, "Runs that are not over need the data set that you asked to delete.",
        "Wait until the runs in `runs` are over, or cancel them.",
    ),
    problem_type(
        "dataset_deleted", 409, "The data set that the recipe names was deleted during the request.",
        "Name another data set, or another version of it, in the recipe.",
    ),
    problem_type(
        "dataset_not_uploaded", 409, "The data set comes with Bakehouse or is in the folder `BAKEHOUSE_DATA`.",
        "Only uploaded data sets can be deleted here; the operator can remove a file from the folder.",
    ),
    problem_type(
        "dataset_unusable", 409, "The files of the data set cannot be used, or are not on this machine.",
        "`GET /v1/datasets/{id}` says what is wrong with them.",
    ),
    problem_type(
        "checkpoint_unusable", 409,
        "The checkpoint cannot predict: its file is missing or damaged, its data set is gone or has changed, or "
        "another version of Bakehouse wrote it.",
        "`detail` says which, and what to do. The weights can be downloaded as long as their file is there.",
    ),
    problem_type(
        "split_unknown", 409, "The rows of the splits cannot be listed: the data set is missing or has changed.",
        "Put the files that the run was submitted with back into `BAKEHOUSE_DATA`.",
    ),
    problem_type(
        "epochs_missing", 409, "No epoch of the run is complete, so that there is no curve to ask about.",
        "Wait for the first epoch: `GET /v1/runs/{id}` has the number of complete epochs in `progress`. A run that is "
        "over without one can be retried.",
    ),
    problem_type(
        "log_damaged", 410, "The file of the archived log is missing or damaged; the run itself can still be read.",
        "Restore the file of the run from a backup of `BAKEHOUSE_HOME`.",
    ),
    problem_type(
        "checkpoint_damaged", 410,
        "The file of the checkpoint does not have the size and the digest that were recorded when it was saved.",
        "Restore the file from a backup, or retry the run to train the same weights again.",
    ),
    problem_type(
        "precondition_failed", 412, "The file has none of the ETags in `If-Match`.",
        "Start the download again without `If-Match`, or with the present ETag.",
    ),
    problem_type(
        "body_too_large", 413, "The body has more bytes than the service accepts.",
        "Send a smaller body. `BAKEHOUSE_MAX_BODY_BYTES` of the service is the limit; for a part of an upload it is "
        "`BAKEHOUSE_UPLOAD_PART_BYTES`, for a whole data set `BAKEHOUSE_MAX_DATASET_BYTES`, and for rows to predict "
        "`BAKEHOUSE_MAX_PREDICTION_BYTES`.",
    ),
    problem_type(
        "dataset_too_large", 413, "A data set, or a part of it, has more bytes than allowed or announced.",
        "Send parts of at most `part_bytes`. `BAKEHOUSE_MAX_DATASET_BYTES` of the service limits the whole.",
    ),
    problem_type(
        "unsupported_media_type", 415, "The body has a `Content-Type` that the path does not take.",
        "Send JSON with the header `Content-Type: application/json`, or what `detail` lists.",
    ),
    problem_type(
        "unsupported_content_encoding", 415, "The body is compressed.",
        "Send the body without a `Content-Encoding`.",
    ),
    problem_type(
        "range_not_satisfiable", 416, "The range begins after the end of the file.",
        "The header `Content-Range` has the size of the file. A file of that size is complete already.",
    ),
    problem_type(
        "misdirected_request", 421, "The header `Host` names a host that is not this service.",
        "Use an address of this service, or add the host to `BAKEHOUSE_ALLOWED_HOSTS` of the service.",
    ),
    problem_type(
        "invalid_request", 422, "A parameter, a header, or a field of the body is wrong.",
        "`errors` names each `parameter` or `pointer` and what would be right.",
    ),
    problem_type(
        "wrong_digest", 422, "What has arrived does not have the digest in the header `Content-Digest`.",
        "Send it again; the bytes were changed on the way, or the digest is that of another part.",
    ),
    problem_type(
        "part_refused", 422, "An upload may not have so many parts.", "Send larger parts, up to `part_bytes`.",
    ),
    problem_type(
        "upload_incomplete", 422, "Parts of the upload are missing, or are not those that the request lists.",
        "`GET /v1/datasets/{id}` lists the parts that the service holds. Send the others, then complete it again.",
    ),
    problem_type(
        "invalid_recipe", 422, "The recipe cannot be trained as it is.",
        "Each entry of `errors` has a JSON pointer into what was posted, what is wrong there, and what is allowed. "
        "`POST /v1/runs?validate_only=true` checks a recipe without queueing it.",
    ),
    problem_type(
        "task_out_of_memory", 422,
        "The data set, or the rows that were sent, are too large for a task process, which may use 2 GiB of memory.",
        "Preview the recipe with a data set of fewer rows or smaller images, and predict fewer rows at once; training "
        "itself has no such limit.",
    ),
    problem_type(
        "idempotency_mismatch", 422, "The `Idempotency-Key` was used before with another body.",
        "Choose a new key for each new request, and the same key only to repeat a request.",
    ),
    problem_type(
        "too_many_streams", 429,
        "There are 1,000 event streams and long polls, or as many of this address as "
        "`BAKEHOUSE_MAX_STREAMS_PER_ADDRESS` allows.",
        "Close a stream, or follow several runs with one stream of `/v1/events`.",
    ),
    problem_type(
        "too_many_failures", 429, "The address of the client has sent ten wrong API keys within a minute.",
        "Correct the key, and wait for the seconds in `Retry-After`. Behind a proxy, name it in "
        "`BAKEHOUSE_TRUSTED_PROXIES`, so that its users are counted one by one.",
    ),
    problem_type(
        "uploads_full", 429, "The uploaded data sets have as many bytes as `BAKEHOUSE_MAX_UPLOADED_BYTES` allows.",
        "Delete data sets that are no longer needed (`bakehouse data rm`).",
    ),
    problem_type(
        "headers_too_large", 431, "The request line and headers have too many bytes.",
        "Send fewer or shorter headers, such as cookies that the service does not need.",
    ),
    problem_type(
        "internal", 500, "The service has failed: an error of Bakehouse.",
        "Look up the `request_id` in the service's log, and report the error with what the log says.",
    ),
    problem_type(
        "task_failed", 500, "A task, such as a preview, has failed: an error of Bakehouse.",
        "Report the error with what the log of the workers says. The recipe itself may well train.",
    ),
    problem_type(
        "no_task_process", 503, "No task process is running, so that nobody can carry out the task.",
        "Start one: every machine with workers has one (`bakehouse up`, `bakehouse worker`). `GET /v1/workers` lists "
        "them in `task_processes`. Runs are accepted all the same.",
    ),
    problem_type(
        "too_many_tasks", 503, "Too many tasks wait for a task process.",
        "Send the request again after the seconds in `Retry-After`; another machine with workers adds a task process.",
    ),
    problem_type(
        "task_timeout", 503, "A task has not been carried out within its time.",
        "Send the request again after the seconds in `Retry-After`. If that does not help, the data set is too large.",
    ),
    problem_type(
        "task_interrupted", 503, "The process that carried out a task was killed.",
        "Send the request again after the seconds in `Retry-After`.",
    ),
    problem_type(
        "redis_unavailable", 503, "Redis does not answer.",
        "Send the request again with the same `Idempotency-Key`. If that does not help, check that Redis runs at the "
        "address in `BAKEHOUSE_REDIS_URL`.",
    ),
    problem_type(
        "redis_read_only", 503, "Redis refuses writes; the request was not accepted.",
        "Redis's own log has the reason, often a full disk. Send the request again afterwards.",
    ),
    problem_type(
        "redis_full", 503, "Redis has no memory left; the request was not accepted.",
        "Delete old runs, or give Redis more memory (`maxmemory`).",
    ),
    problem_type(
        "storage_full", 503, "The disk of the service is full, except for a reserve of 64 MiB.",
        "Delete runs that are no longer needed, or enlarge the disk of `BAKEHOUSE_HOME`.",
    ),
    problem_type(
        "store_unavailable", 503, "The service cannot open the runs' files in its `BAKEHOUSE_HOME`.",
        "Check that the folder is mounted, and that it is the folder that the workers use.",
    ),
    problem_type(
        "storage_unavailable", 503,
        "The service cannot read, write or delete the files of runs in its `BAKEHOUSE_HOME` at the moment.",
        "Check the rights and the mount of the folder; the service's log has the reason.",
    ),
    problem_type(
        "too_many_connections", 503, "The service has more connections than it can serve.",
        "Send the request again after the seconds in `Retry-After`, and reuse connections.",
    ),
)  # fmt: skip
PROBLEM_TYPES = {kind.name: kind for kind in KINDS}
