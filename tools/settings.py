# ruff: noqa: INP001
"""Writes `docs/settings.md` from the class of the settings: `make docs`."""

import json
from pathlib import Path

from bakehouse.model import descriptions
from bakehouse.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """\
# Settings

All settings are environment variables. Each process reads them once, when it starts; `bakehouse up` passes them on to
the service and the workers that it starts. In containers, `docker-compose.yml` sets them. `make docs` writes this table
from `bakehouse/settings.py`.

| setting | default | meaning |
|---|---|---|
"""


def page() -> str:
    """Returns the whole page."""
    texts = descriptions(Settings)
    return HEAD + "".join(
        f"| `BAKEHOUSE_{name.upper()}` | {shown(info.default)} | {' '.join(texts[name].split())} |\n"
        for name, info in Settings.model_fields.items()
    )


def shown(default: object) -> str:
    """Returns a default as it would be written in the environment; nothing if there is none."""
    if default is None or default == "":
        return ""
    return f"`{json.dumps(default) if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
