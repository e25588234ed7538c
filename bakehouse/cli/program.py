"""What a newcomer types to call this command again."""

import shutil
import sys
from pathlib import Path


def program() -> str:
    """`bakehouse` where the shell finds it, else its path: from here if it is below, such as `.venv/bin/bakehouse`."""
    path, here = Path(sys.executable).with_name("bakehouse"), Path.cwd()
    if shutil.which("bakehouse"):
        return "bakehouse"
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
