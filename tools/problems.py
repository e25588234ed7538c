# ruff: noqa: INP001
"""Writes `docs/problems.md` from the registry of problem types: `make docs`."""

from pathlib import Path

from service.problem_types import PATH, PROBLEM_TYPES

PAGE = Path(__file__).parents[1] / "docs" / "problems.md"
HEAD = f"""\
# Problems

A request that fails gets a problem document (RFC 9457). Its `type` is an address of the service, `{PATH}` and one of
these names, and leads to a page with the cause, what to do, and an example; with `Accept: application/json` the page is
JSON. Programs compare the last part of `type`. `make docs` writes this table from `service/problem_types.py`.

| name | status | cause | what to do |
|---|---|---|---|
"""


def page() -> str:
    """Returns the whole page."""
    rows = (f"| `{kind.name}` | {kind.status} | {kind.cause} | {kind.fix} |\n" for kind in PROBLEM_TYPES.values())
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
