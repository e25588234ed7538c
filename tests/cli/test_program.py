"""The name by which the command can be called again."""

import os
import sys
from pathlib import Path

import pytest

from bakehouse.cli.program import program


def test_a_newcomer_can_type_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", "")
    assert program() == str(tmp_path / ".venv" / "bin" / "bakehouse")
    monkeypatch.chdir(tmp_path)
    assert program() == ".venv/bin/bakehouse"
    (tmp_path / "bakehouse").touch(mode=0o755)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert program() == "bakehouse"
