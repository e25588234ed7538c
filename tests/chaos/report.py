"""Prints what a campaign has found."""

from collections import Counter
from statistics import median

from tests.chaos.campaign import Report


def print_report(report: Report) -> None:
    """Prints the table of faults, the runs, and every violation with the events of its run."""
    print(f"\n{'fault':48} {'injected':>8} {'runs again after: median':>25} {'slowest':>8}")
    for name, row in sorted(report.rows.items()):
        middle = f"{median(row.recoveries):.1f} s" if row.recoveries else "-"
        slowest = f"{max(row.recoveries):.1f} s" if row.recoveries else "-"
        print(f"{name:48} {row.injected:8} {middle:>25} {slowest:>8}")
    for text in report.left_out:
        print(f"{text:48} left out")
    by_fault = Counter(violation.fault for violation in report.violations)
    counts = ", ".join(f"{by_fault[name]} {name}" for name in ("lost", "doubled", "not identical"))
    print(f"\n{sum(row.injected for row in report.rows.values())} faults, {report.runs.total()} runs: {counts}")
    print("runs by kind: " + ", ".join(f"{number} {name}" for name, number in sorted(report.runs.items())))
    print("runs by end: " + ", ".join(f"{number} {name}" for name, number in report.ends.most_common()))
    print(f"the longest time without an answer: {report.seconds_unanswered:.1f} s; in all {report.seconds:.0f} s")
    for log in report.logs:
        print(f"\n{log}")
    print(f"\n{len(report.violations)} violations")
    for violation in report.violations:
        print(f"  {violation}")


def print_recovery(measured: dict[str, list[float]]) -> None:
    """Prints how long single kills interrupt a run."""
    print(f"{'killed':48} {'times':>8} {'runs again after: median':>25} {'slowest':>8}")
    for name, seconds in measured.items():
        print(f"{name:48} {len(seconds):8} {median(seconds):23.1f} s {max(seconds):6.1f} s", flush=True)
