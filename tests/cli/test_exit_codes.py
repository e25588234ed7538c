"""The exit code for several runs."""

import pytest

from bakehouse.cli.exit_codes import exit_code_of


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["succeeded"], 0),
        (["succeeded", "failed", "cancelled"], 1),
        (["cancelled", "succeeded"], 5),
        (["archived"], 1),
        ([], 0),
    ],
)
def test_the_exit_code_of_several_runs(statuses: list[str], code: int) -> None:
    assert exit_code_of(statuses) == code
