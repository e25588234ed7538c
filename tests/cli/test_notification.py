"""`--notify`."""

from pathlib import Path

import pytest

from bakehouse.cli import notification
from bakehouse.cli.notification import Notification


def test_the_command_knows_the_run_and_its_status(tmp_path: Path) -> None:
    Notification(f'echo "$RUN_ID $STATUS" > {tmp_path}/ended').send("run_1", "succeeded")
    assert (tmp_path / "ended").read_text() == "run_1 succeeded\n"


def test_what_a_service_says_is_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = f"$(touch {tmp_path}/a); touch {tmp_path}/b #"
    Notification('echo $RUN_ID "$STATUS"').send(hostile, hostile)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == f"{hostile} {hostile}\n"


@pytest.mark.parametrize(("command", "code"), [("echo it broke; exit 3", 3), ("/no/such/program", 127), ("'", 2)])
def test_a_failure_is_reported(command: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    Notification(command).send("run_1", "failed")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"--notify: {command!r} failed with exit code {code}" in captured.err


def test_a_run_is_notified_of_once(tmp_path: Path) -> None:
    sent = Notification(f"echo $RUN_ID >> {tmp_path}/ended")
    for run in ("run_1", "run_2", "run_1"):
        sent.send(run, "succeeded")
    assert (tmp_path / "ended").read_text() == "run_1\nrun_2\n"


def test_a_command_that_hangs_is_ended(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification, "MAX_SECONDS", 0.1)
    Notification("echo begun; exec sleep 600").send("run_1", "succeeded")
    assert capsys.readouterr().err == "begun\nbakehouse: --notify: 'echo begun; exec sleep 600' was ended after 0.1 s\n"
