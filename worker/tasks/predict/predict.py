"""Predicts: turns the requests of a message into answers. Rows for one checkpoint are predicted together."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
import torch
from torch import Tensor

from bakehouse.model import JsonObject
from bakehouse.plan.targets import Target
from bakehouse.recipe.problems import MalformedJson
from bakehouse.recipe.read import unique_keys
from bakehouse.tasks.answers import TaskFailure, encode_failure, encode_result
from bakehouse.tasks.predictions import MAX_OUTPUTS, MESSAGE_SECONDS, PredictionRequest, unpack_request
from worker.data.batches import BATCH_ROWS
from worker.evaluation.standalone.class_metrics import predicted_classes
from worker.tasks.failures import failure_of
from worker.tasks.predict.files import read_npz, read_picture, refuse
from worker.tasks.predict.models import Models, TrainedModel
from worker.tasks.predict.rows import Array, Inputs

SLICE_BYTES = 256 << 10
"""Size of the requests that are answered together: a slow one delays no smaller ones."""


@dataclass
class Asked:
    """A request whose rows are read."""

    place: int
    """The place of its answer."""
    request: PredictionRequest
    model: TrainedModel
    inputs: Inputs


class OutOfTime(Exception):
    """Raised if a request cannot be answered before the time of its message is over."""


def answer_all(models: Models, requests: Sequence[bytes], ends_at: float) -> Iterator[dict[int, bytes]]:
    """Yields the answers to requests by their places, those that cost little first."""
    for places in slices_of(requests):
        answers: dict[int, bytes] = {}
        by_checkpoint: dict[str, list[Asked]] = {}
        large: list[Asked] = []
        for place in places:
            try:
                check_time(ends_at)
                asked = read(models, place, requests[place])
            except Exception as error:  # noqa: BLE001 - here a request ends
                answers[place] = fail(error)
                continue
            if len(asked.inputs.rows) > BATCH_ROWS:
                large.append(asked)
            else:
                by_checkpoint.setdefault(asked.request.sha256, []).append(asked)
        for group in by_checkpoint.values():
            answers |= answer(group, ends_at)
        if answers:
            yield answers
        for asked in large:
            yield answer([asked], ends_at)


def slices_of(requests: Sequence[bytes]) -> Iterator[list[int]]:
    """Yields the places of requests to answer together, the smallest requests first."""
    places: list[int] = []
    size = 0
    for place in sorted(range(len(requests)), key=lambda place: len(requests[place])):
        if places and size + len(requests[place]) > SLICE_BYTES:
            yield places
            places, size = [], 0
        places.append(place)
        size += len(requests[place])
    yield places


def answer(group: Sequence[Asked], ends_at: float) -> dict[int, bytes]:
    """Returns the answers to requests for one checkpoint, or why there are none."""
    try:
        return predict(group, ends_at)
    except Exception as error:  # noqa: BLE001 - here the requests end
        return {asked.place: fail(error) for asked in group}


def fail(error: Exception) -> bytes:
    """Returns the answer that an error is."""
    if isinstance(error, OutOfTime):
        message = f"this request and those before it took more than {MESSAGE_SECONDS} s"
        return encode_failure(TaskFailure(code="timeout", message=message))
    return encode_failure(failure_of(error))


def check_time(ends_at: float) -> None:
    """Raises OutOfTime."""
    if monotonic() > ends_at:
        raise OutOfTime


def read(models: Models, place: int, request: bytes) -> Asked:
    """Reads the rows of a request. Raises CheckpointUnusable, RowsRefused, MalformedJson."""
    head, body = unpack_request(request)
    model = models.get(head)
    match head.form:
        case "json":
            inputs = model.reader.read(parse(body), max_rows=head.max_rows)
        case "picture":
            inputs = read_picture(model.plan, body)
        case "npz":
            inputs = read_npz(model.reader, body, max_rows=head.max_rows)
    outputs = len(inputs.rows) * sum(len(target.classes or "1") for target in model.plan.targets)
    if outputs > MAX_OUTPUTS:
        share = MAX_OUTPUTS * len(inputs.rows) // outputs
        raise refuse("rows", f"so many rows have {outputs:,} probabilities and values; send at most {share:,} rows")
    return Asked(place, head, model, inputs)


def parse(body: bytes) -> object:
    """Parses JSON. NaN and Infinity are read, so that the cells that have them can be named. Raises MalformedJson."""
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=unique_keys)
    except UnicodeDecodeError as error:
        raise MalformedJson(f"not UTF-8: byte {error.start} is invalid") from error
    except json.JSONDecodeError as error:
        raise MalformedJson(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise MalformedJson("nested too deep") from error
    # Python refuses to read a whole number of thousands of digits.
    except ValueError as error:
        if isinstance(error, MalformedJson):
            raise
        raise MalformedJson("a number is too long") from error


def predict(group: Sequence[Asked], ends_at: float) -> dict[int, bytes]:
    """Returns the answers to requests for one checkpoint."""
    model = group[0].model
    rows = stack([asked.inputs.rows for asked in group], model.plan.data.padding)
    outputs = apply(model, torch.from_numpy(np.ascontiguousarray(rows)), ends_at)
    parts = torch.split(outputs, [len(asked.inputs.rows) for asked in group])
    return {
        asked.place: encode_result(json.dumps(describe(asked, part), ensure_ascii=False).encode())
        for asked, part in zip(group, parts, strict=True)
    }


def stack(parts: Sequence[Array], padding: float) -> Array:
    """Returns the rows of several requests, among them sequences of different lengths."""
    if len({part.shape[1:] for part in parts}) > 1:
        longest = max(part.shape[1] for part in parts)
        edges = [[(0, 0), (0, longest - part.shape[1]), (0, 0)] for part in parts]
        parts = [np.pad(part, edge, constant_values=padding) for part, edge in zip(parts, edges, strict=True)]
    return np.concatenate(parts)


def apply(model: TrainedModel, rows: Tensor, ends_at: float = math.inf) -> Tensor:
    """Returns the model's outputs, in batches of as many rows as are measured at once. Raises OutOfTime."""
    outputs = []
    with torch.inference_mode():
        for batch in torch.split(rows, BATCH_ROWS):
            check_time(ends_at)
            outputs.append(model.module(batch))
        return torch.cat(outputs)


def describe(asked: Asked, outputs: Tensor) -> JsonObject:
    """Returns the document of an answer."""
    main, *further = asked.model.plan.targets
    predictions = describe_target(main, outputs)
    for target in further:
        for prediction, own in zip(predictions, describe_target(target, outputs), strict=True):
            prediction.setdefault("further", {})[target.label] = own
    for prediction, sequence in zip(predictions, asked.inputs.sequences or (), strict=False):
        prediction["sequence"] = sequence
    for prediction, notes in zip(predictions, asked.inputs.notes, strict=False):
        if notes:
            prediction["notes"] = notes
    head = asked.request
    return {
        "run": head.run,
        "epoch": head.epoch,
        "sha256": head.sha256,
        "target": main.name,
        "predictions": predictions,
    }


def describe_target(target: Target, outputs: Tensor) -> list[JsonObject]:
    """Returns what the outputs (N, all) predict of one target, for each row."""
    own = outputs[:, target.columns]
    if target.classes is None:
        return [describe_value(value) for value in own[:, 0].tolist()]
    # As training computes the accuracy, in 32 bits; the probabilities have 64, so that their sum is 1.
    numbers = predicted_classes(own.float()).long().tolist()
    probabilities = class_probabilities(own.double(), target.loss).tolist()
    return [
        describe_classes(target.classes, number, row)
        for number, row in zip(numbers, probabilities, strict=True)
    ]  # fmt: skip


def class_probabilities(logits: Tensor, loss: str) -> Tensor:
    """Returns the probability of each class; a single logit is that of the second class against the first."""
    if loss == "cross_entropy":
        return logits.softmax(1)
    return torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], 1)


def describe_classes(classes: Sequence[str], number: int, probabilities: Iterable[float]) -> JsonObject:
    found = dict(zip(classes, probabilities, strict=True))
    if not all(map(math.isfinite, found.values())):
        return {"non_finite": "nan"}
    return {"label": classes[number], "probabilities": found}


def describe_value(value: float) -> JsonObject:
    if math.isfinite(value):
        return {"value": value}
    return {"non_finite": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
