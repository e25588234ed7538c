"""What a shell offers for the id of a run or an experiment. The running service is asked, if there is one."""


def complete_run(start: str) -> list[tuple[str, str]]:
    """Returns the latest runs whose ids begin like this."""
    from bakehouse.cli.run_ids import completed_ids

    return completed_ids(start)


def complete_unfinished_run(start: str) -> list[tuple[str, str]]:
    """Returns the latest runs that are not over and whose ids begin like this."""
    from bakehouse.cli.run_ids import completed_ids

    return completed_ids(start, ("running", "queued", "paused"))


def complete_paused_run(start: str) -> list[tuple[str, str]]:
    """Returns the latest paused runs whose ids begin like this."""
    from bakehouse.cli.run_ids import completed_ids

    return completed_ids(start, ("paused",))


def complete_experiment(start: str) -> list[tuple[str, str]]:
    """Returns the latest experiments whose ids begin like this."""
    from bakehouse.cli.run_ids import completed_experiments

    return completed_experiments(start)


def complete_any(start: str) -> list[tuple[str, str]]:
    """Returns the latest experiments and runs whose ids begin like this."""
    return [*complete_experiment(start), *complete_run(start)]
