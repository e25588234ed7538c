"""The commands that change a run."""

from bakehouse.cli.options import AsJson, Fields, PausedIds, Priority, UnfinishedIds


def cancel(ids: UnfinishedIds, as_json: AsJson = False, fields: Fields = None) -> None:
    """Give runs up: they end as cancelled, without a test; `stop` instead keeps the best weights as the result."""
    from bakehouse.cli.actions import request_action

    request_action(ids, "cancel", as_json=as_json, fields=fields)


def stop(ids: UnfinishedIds, as_json: AsJson = False, fields: Fields = None) -> None:
    """Finish runs now: they succeed with their best weights as the result; `cancel` instead gives them up."""
    from bakehouse.cli.actions import request_action

    request_action(ids, "stop", as_json=as_json, fields=fields)


def pause(ids: UnfinishedIds, as_json: AsJson = False, fields: Fields = None) -> None:
    """Pause runs; their workers are free until `bakehouse resume`."""
    from bakehouse.cli.actions import request_action

    request_action(ids, "pause", as_json=as_json, fields=fields)


def resume(ids: PausedIds, as_json: AsJson = False, fields: Fields = None) -> None:
    """Queue paused runs again; they continue where they were paused."""
    from bakehouse.cli.actions import request_action

    request_action(ids, "resume", as_json=as_json, fields=fields)


def change(ids: UnfinishedIds, priority: Priority, as_json: AsJson = False, fields: Fields = None) -> None:
    """Give queued or paused runs another priority, so that they are claimed sooner or later."""
    from bakehouse.cli.actions import change_priority

    change_priority(ids, priority, as_json=as_json, fields=fields)
