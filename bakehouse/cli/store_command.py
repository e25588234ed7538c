"""`bakehouse store check`: compares the files in the store with the records in Redis."""

import typer

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.formats import sanitize
from bakehouse.cli.home.redis_server import running_redis_url
from bakehouse.cli.output import print_json
from bakehouse.plurals import count_of
from bakehouse.runs.artifacts import storage_errors
from bakehouse.runs.errors import FolderNotShared, StorageFull, StorageUnavailable
from bakehouse.runs.marker import check_folder, registered_marker
from bakehouse.runs.store import Store, connect
from bakehouse.runs.stored_entries import open_entries
from bakehouse.settings import Settings
from bakehouse.store.open_store import open_store
from bakehouse.system import store_check
from bakehouse.system.checks import size
from bakehouse.system.store_check import Finding, StoreReport
from bakehouse.uploads.records import DatasetRecords


def check_store(*, repair: bool, as_json: bool, fields: str | None) -> ExitCode:
    """Prints what is wrong in the store; returns FAILED if something is missing or damaged."""
    settings = Settings()
    redis_url = settings.redis_url or running_redis_url(settings.home)
    if redis_url is None:
        raise typer.BadParameter("no Redis runs for this home: start `bakehouse up`, or set BAKEHOUSE_REDIS_URL")
    try:
        report = make_report(settings, redis_url, repair=repair)
    except (FolderNotShared, StorageFull, StorageUnavailable) as error:
        raise typer.BadParameter(str(error)) from error
    if as_json or fields is not None:
        print_json(report.model_dump(mode="json"), fields)
    else:
        print("\n".join(report_lines(report)))
    return ExitCode.FAILED if report.count("missing") or report.count("damaged") else ExitCode.SUCCEEDED


@storage_errors()
def make_report(settings: Settings, redis_url: str, *, repair: bool) -> StoreReport:
    """Compares the store with the records. Raises FolderNotShared if they do not belong together."""
    with connect(redis_url, patient=False) as redis:
        store = Store(redis)
        # In a Redis that was emptied, no run is known, and all files would be orphaned.
        if registered_marker(store) is None:
            raise FolderNotShared("This Redis names no store: start a service first, which registers its store there.")
        check_folder(settings, store)
        records = DatasetRecords(redis, settings)
        entries = open_entries(settings)
        name = settings.store or f"BAKEHOUSE_HOME={settings.home}"
        return store_check.check_store(name, store, entries, open_store(settings), records, repair=repair)


def report_lines(report: StoreReport) -> list[str]:
    """Returns a line for each finding, and a summary."""
    lines = [f"Checked: {report.store}", *(sanitize(finding_line(each)) for each in report.findings)]
    orphaned = [each for each in report.findings if each.kind == "orphaned" and not each.is_repaired]
    summary = f"{count_of(report.entries, 'folder')}, {size(report.bytes)}"
    for kind in ("missing", "damaged", "orphaned"):
        summary += f"; {report.count(kind)} {kind}"
    if orphaned:
        summary += f" ({size(sum(each.bytes for each in orphaned))}, which --repair deletes)"
    return [*lines, summary]


def finding_line(finding: Finding) -> str:
    """Returns a finding in a line."""
    repaired = " It is deleted." if finding.is_repaired else ""
    return f"{finding.kind:8}  {finding.key}  {finding.problem}{repaired}"
