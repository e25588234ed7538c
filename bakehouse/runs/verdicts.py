"""Says of a run that is over how it ended, if no worker has judged it."""

from bakehouse.plurals import count_of
from bakehouse.runs.run import Run
from bakehouse.verdict.verdict import Verdict

SOURCE = "the run's log"


def plain_verdict(run: Run) -> Verdict:
    """Returns the verdict on a run that failed or was cancelled: its failure, or how far it came."""
    if run.failure is not None:
        return Verdict(code=run.failure.code, severity="error", message=run.failure.message, source=SOURCE)
    how = "was cancelled" if run.status == "cancelled" else "ended"
    message = f"the run {how} after {run.progress.epoch} of {count_of(run.progress.epochs, 'epoch')}"
    if run.best is not None:
        message += f"; the best was epoch {run.best.epoch} with {run.best.monitor} {run.best.value:.4g}"
    return Verdict(code=run.reason, severity="info", message=message, source=SOURCE)
