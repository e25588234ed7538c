"""Inspects an uploaded file in a child process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bakehouse.data.archives import ArchiveLimits
from bakehouse.data.child_process import MAX_SECONDS, run_in_child
from bakehouse.data.listing import Inspection, Place
from bakehouse.data.source_files import extra_seconds
from bakehouse.model import JsonObject

# The names, in the folder of its work, of what the child has read and of what it has packed.
SOURCE = "source"
PACKED = "packed"


@dataclass(frozen=True)
class Answer:
    """The outcome of an inspection: the fingerprint of the packed data, or the problem."""

    fingerprint: str | None = None
    problem: str | None = None
    place: Place | None = None


def inspect_in_child(
    name: str, file: Path, work: Path, limits: ArchiveLimits, report: Callable[[Inspection | None], None]
) -> Answer:
    """Inspects a file; calls `report` at least twice a second. If that raises, the child is killed. Raises
    ChildFailed, and OSError if the disk is full or away."""

    def tell(line: JsonObject | None) -> None:
        report(None if line is None else Inspection(stage=line["stage"], done_bytes=line.get("done", 0)))

    arguments = [name, str(file), str(work), limits.model_dump_json()]
    # Before the child starts, because it moves the file.
    seconds = MAX_SECONDS + extra_seconds(file)
    answer = run_in_child("bakehouse.data.inspection", arguments, tell, scratch=work, max_seconds=seconds)
    if "errno" in answer:
        raise OSError(answer["errno"], answer["strerror"])
    place = answer.get("place")
    return Answer(answer.get("fingerprint"), answer.get("problem"), Place(**place) if place else None)
