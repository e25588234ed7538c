"""Shows on a terminal how far an upload has come."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str, int, int | None], None]
"""Is called with what happens now, the bytes that are done, and the bytes of the whole, if they are known."""
STAGES = {"waiting": "waiting for a worker: `bakehouse up` or `bakehouse worker` starts one"}


@contextmanager
def progress_bar(*, is_shown: bool | None = None) -> Iterator[Report]:
    """Yields the function that draws the bar on stderr; it draws nothing unless stderr is a terminal."""
    if not (sys.stderr.isatty() if is_shown is None else is_shown):
        yield lambda stage, done, total: None
        return
    # An import of rich takes as long as a request.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        shown = ""

        def draw(stage: str, done: int, total: int | None) -> None:
            nonlocal shown
            # Each stage begins at 0, with a speed of its own.
            if stage != shown:
                shown = stage
                progress.reset(task, description=STAGES.get(stage, stage))
            progress.update(task, completed=done, total=total)

        yield draw
