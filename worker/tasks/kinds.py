"""The kinds of short tasks. To add one, write its module and its line in KINDS."""

from collections.abc import Callable, Mapping

from bakehouse.model import JsonObject
from bakehouse.settings import Settings
from worker.tasks.ensembles import ensemble
from worker.tasks.preview import preview
from worker.tasks.samples import samples

Task = Callable[[Settings, JsonObject], bytes]
"""A function (settings, document) -> the bytes of the result. `failures.py` knows the errors that it may raise."""

KINDS: Mapping[str, Task] = {
    "ensemble": ensemble,
    "preview": preview,
    "samples": samples,
}
