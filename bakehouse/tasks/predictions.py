"""What a predictor is asked and what it answers. A message in Redis has the requests of many clients, so that a model
is applied to the rows of all of them at once."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from bakehouse.model import Model

MESSAGE_SECONDS = 6
"""Time after which the predictor begins nothing more of a message, and answers that the rest took too long."""
PREDICTION_SECONDS = 8
"""Limit on the time of a message; the kernel then ends the predictor, which is started again."""
WAIT_SECONDS = 10
"""Time that the service waits for the next answers to a message."""
ANSWER_SECONDS = 30
"""Time after which answers that nobody has collected expire."""
ALIVE_SECONDS = 15
"""Time after which a predictor that has not reported counts as gone."""
MAX_WAITING = 32
"""Limit on the messages that wait for a predictor."""
MAX_OUTPUTS = 500_000
"""Limit on the probabilities and values of one answer."""

Form = Literal["json", "picture", "npz"]
"""What the body of a request is."""


class PredictionRequest(Model):
    """The head of a request: the checkpoint that is to predict, and what the body is."""

    run: str
    epoch: int
    sha256: str
    fingerprint: str | None
    """The fingerprint of the data that the weights were trained on."""
    form: Form
    max_rows: int


class TargetPrediction(Model):
    """What a model predicts of one target for one row: the likeliest class, or a value."""

    label: str | None = None
    """The likeliest class."""
    probabilities: dict[str, float] | None = None
    """The probability of each class."""
    value: float | None = None
    """The predicted number, in the units of the data set."""
    non_finite: Literal["nan", "inf", "-inf"] | None = None
    """Set if the model's output is not finite, so that there is no label and no value."""


class Prediction(TargetPrediction):
    """The label with its probabilities, or the number, that a model predicts for one row."""

    sequence: str | None = None
    """The id of the sequence, if the rows that were sent are steps of sequences."""
    further: dict[str, TargetPrediction] | None = None
    """The predictions of further targets (`objective.tasks`), by their names."""
    notes: tuple[str, ...] | None = None
    """Cells that the model has not seen the like of, such as a new category, and how it takes them."""


class PredictionAnswer(Model):
    """The predictions of a checkpoint, in the order of the rows."""

    run: str
    epoch: int
    sha256: str
    """The digest of the weights."""
    target: str
    """The name of the target; `main` is the only target of a data set without named columns."""
    predictions: tuple[Prediction, ...]


def pack(parts: Sequence[bytes]) -> bytes:
    """Returns one message with several parts: a line with their lengths, and the parts."""
    return b"".join([json.dumps([len(part) for part in parts]).encode(), b"\n", *parts])


def unpack(message: bytes) -> list[bytes]:
    """Returns the parts of a message."""
    line, _, rest = message.partition(b"\n")
    parts: list[bytes] = []
    start = 0
    for length in json.loads(line):
        parts.append(rest[start : start + length])
        start += length
    return parts


def pack_message(message_id: str, requests: Iterable[bytes]) -> bytes:
    """Returns the message with these requests; its answers are expected under its id."""
    return pack([message_id.encode(), *requests])


def pack_answers(answers: Mapping[int, bytes]) -> bytes:
    """Returns some of the answers to a message, by the places of their requests."""
    return pack([json.dumps(list(answers)).encode(), *answers.values()])


def unpack_answers(packed: bytes) -> dict[int, bytes]:
    """Returns answers by the places of their requests."""
    places, *answers = unpack(packed)
    return dict(zip(json.loads(places), answers, strict=True))


def pack_request(head: PredictionRequest, body: bytes) -> bytes:
    """Returns a request: its head in one line, and its body."""
    return head.model_dump_json().encode() + b"\n" + body


def unpack_request(request: bytes) -> tuple[PredictionRequest, bytes]:
    """Returns the head and the body of a request."""
    head, _, body = request.partition(b"\n")
    return PredictionRequest.model_validate_json(head), body
