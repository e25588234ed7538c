"""The message and the exit code of each error."""

from pathlib import Path

import pytest
from httpx import Request, Response
from pydantic import ValidationError

from bakehouse.cli.failures import ReportedError, explain
from bakehouse.client import (
    DownloadDamaged,
    NotAllowed,
    NotFound,
    RecipeRefused,
    RunTimeout,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from bakehouse.client.errors import ProblemDocument
from bakehouse.data.errors import DatasetNotReady
from bakehouse.ports import PortTaken
from bakehouse.recipe.problems import MalformedJson, Problem, RecipeInvalid
from bakehouse.settings import Settings

DOCUMENT = ProblemDocument(status=400, detail="not now", request_id="r7")
PROBLEMS = (
    Problem(pointer="/norm", code="x", message="bad\x1b[2J", allowed=("a", "b")),
    Problem(parameter="limit", code="y", message="worse"),
)
WITH_PROBLEMS = DOCUMENT.model_copy(update={"errors": PROBLEMS})


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MalformedJson("not JSON: line 1"), 2, ["cannot be read", "line 1"]),
        (RecipeInvalid([Problem(pointer="", code="x", message="an object")]), 2, ["/  an object"]),
        (
            RecipeRefused(WITH_PROBLEMS),
            2,
            ["/norm  bad?[2J", "allowed: a, b", "limit  worse"],
        ),
        (RecipeRefused(DOCUMENT), 2, ["not now", "r7"]),
        (NotFound(DOCUMENT), 2, ["not now", "bakehouse ls"]),
        (NotFound(DOCUMENT.model_copy(update={"type": "x:log_not_found"})), 2, ["not now", "r7"]),
        (DatasetNotReady("mine", retry_after=2), 2, ["mine is being packed"]),
        (PortTaken("127.0.0.1", 8000), 2, ["8000"]),
        (Unreachable("http://x", "refused"), 3, ["http://x", "bakehouse up"]),
        (Unavailable(DOCUMENT), 3, ["not now", "r7"]),
        (NotAllowed(DOCUMENT), 4, ["not now", "r7"]),
        (TooManyRequests(DOCUMENT), 1, ["not now", "r7"]),
        (UnexpectedAnswer(Response(200, request=Request("GET", "http://x")), "html"), 1, ["http://x"]),
        (DownloadDamaged("best", expected="a", found="b"), 1, ["best"]),
        (PermissionError(13, "Permission denied", "/best"), 1, ["/best", "Permission denied"]),
        (RunTimeout("run_1", 3.0), 124, ["3 s", "bakehouse watch run_1"]),
    ],
)
def test_every_error_has_an_exit_code_and_a_message_with_a_remedy(
    error: ReportedError, code: int, words: list[str]
) -> None:
    exit_code, text = explain(error)
    assert exit_code == code
    assert all(word in text for word in words), text
    assert "\x1b" not in text
    assert str(Path.home()) not in text


def test_an_invalid_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEHOUSE_PORT", "eight\x1b[2J")
    with pytest.raises(ValidationError) as caught:
        Settings()
    code, text = explain(caught.value)
    assert code == 2
    assert r"BAKEHOUSE_PORT is 'eight\x1b[2J'" in text
