"""A job of RQ that runs no function of which Redis has the name."""

from typing import Any

from rq.exceptions import NoSuchJobError
from rq.job import Job


class PlainJob(Job):
    """A job without callbacks and webhooks. A subclass defines in `_execute` what it does."""

    def restore(self, raw_data: Any) -> Any:
        """Reads the job from Redis without its callbacks and webhooks."""
        try:
            restored = super().restore(raw_data)
        except Exception as error:
            # RQ ends the worker for any other error, and passes over a job that does not exist.
            raise NoSuchJobError(f"the job {self.id} is malformed") from error
        # RQ would import and call the functions that these fields name, and the text in Redis may be anyone's.
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks = []
        return restored
