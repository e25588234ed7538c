"""The child process that packs a data set."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.processes import children_of, is_running, wait_until
from tests.running_service import ROOT

PROGRAM = """
import sys
from pathlib import Path
from bakehouse.data.catalog import Catalog
from bakehouse.settings import Settings

home = Path(sys.argv[1])
Catalog(Settings(home=home / "home", data=home / "data")).card("own", wait_seconds=60)
"""


def test_the_child_ends_with_its_parent_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "own.csv").write_text("a,label\n" + "1.5,0\n2.5,1\n" * 50)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT) as parent:
        (child,) = wait_until(lambda: children_of(parent.pid))
        os.kill(child, signal.SIGSTOP)
        parent.kill()
    os.kill(child, signal.SIGCONT)
    wait_until(lambda: not is_running(child))
    assert not list((tmp_path / "home").rglob("card.json"))
