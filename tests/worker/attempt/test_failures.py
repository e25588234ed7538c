"""The failure that an exception becomes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from bakehouse.runs.run import Failure
from worker.attempt.failures import failure_of
from worker.model.state_dict import to_cpu

HOME = Path("/srv/home")


def fail(call: Callable[[], object]) -> Failure:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        call()
    return failure_of(caught.value, HOME)


def copy_what_has_no_values() -> None:
    to_cpu({"weight": torch.nn.UninitializedParameter()})


def test_an_unforeseen_error_carries_its_own_line_and_the_last_place_in_our_code() -> None:
    failure = fail(copy_what_has_no_values)
    assert (failure.code, failure.retryable) == ("internal", True)
    assert failure.exception is not None
    assert failure.exception.startswith(("RuntimeError: ", "ValueError: "))
    assert failure.frame is not None
    # torch raised it, some frames deeper.
    assert failure.frame.startswith("worker/model/state_dict.py, line ")
    assert failure.message.startswith(f"Bakehouse failed with {failure.exception} ({failure.frame}).")


def test_an_error_of_another_thread_keeps_the_place_where_it_was_raised() -> None:
    with ThreadPoolExecutor(1) as threads:
        failure = fail(threads.submit(copy_what_has_no_values).result)
    assert failure.frame is not None
    assert failure.frame.startswith("worker/model/state_dict.py, line ")


def test_only_the_first_line_of_a_text_is_kept_and_no_path_outside_the_home() -> None:
    def read() -> None:
        raise ValueError("bad header in '/data/private/rows.csv', see /srv/home/datasets/rows\nmore\nlines")

    failure = fail(read)
    assert failure.exception == "ValueError: bad header in 'rows.csv', see /srv/home/datasets/rows"
    assert "/data/private" not in failure.message
    assert failure.frame == "outside the code of Bakehouse"


def test_an_error_without_a_text_is_named_by_its_class() -> None:
    def divide() -> None:
        raise ZeroDivisionError

    assert fail(divide).exception == "ZeroDivisionError"
