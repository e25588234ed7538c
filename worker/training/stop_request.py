"""Holds a request to end a run before all of its epochs are done."""

from worker.training.events import Ending


class StopRequest:
    """A request to end the run, without a reason until somebody asks. Steps that an earlier attempt has logged are
    taken first."""

    def __init__(self) -> None:
        self.reason: Ending | None = None
        # A run takes at least one step, so that it has an epoch to report.
        self.not_before = 1

    def ask(self, reason: Ending, *, not_before: int) -> None:
        """Asks the run to end after the current step, or after step `not_before` if that is later."""
        self.reason = reason
        self.not_before = max(1, not_before)

    def is_due(self, step: int) -> bool:
        """Whether a run that has taken `step` steps must end now."""
        return self.reason is not None and step >= self.not_before
