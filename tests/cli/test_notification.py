"""`--notify`."""

from pathlib import Path

import pytest

from bakehouse.cli.notification import notify


def test_the_command_knows_the_run_and_its_status(tmp_path: Path) -> None:
    notify(f'echo "$RUN_ID $STATUS" > {tmp_path}/ended', run_id="run_1", status="succeeded")
    assert (tmp_path / "ended").read_text() == "run_1 succeeded\n"


def test_what_a_service_says_is_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = f"$(touch {tmp_path}/a); touch {tmp_path}/b #"
    notify('echo $RUN_ID "$STATUS"', run_id=hostile, status=hostile)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == f"{hostile} {hostile}\n"


@pytest.mark.parametrize(("command", "code"), [("echo it broke; exit 3", 3), ("/no/such/program", 127), ("'", 2)])
def test_a_failure_is_reported(command: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    notify(command, run_id="run_1", status="failed")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"--notify: {command!r} failed with exit code {code}" in captured.err
