"""Frames, and which events of a batch a reader still needs."""

from bakehouse.runs.stream_entries import Change, StoredEvent
from service.frames import Batch, PublishedEvent


def a_batch(*seqs: int, last_type: str = "step") -> Batch:
    kinds = ["step"] * (len(seqs) - 1) + [last_type]
    return Batch([
        PublishedEvent(Change(f"7-{seq}", "run_a", seq), StoredEvent(seq, kind, f'{{"seq":{seq}}}'))
        for seq, kind in zip(seqs, kinds, strict=True)
    ])  # fmt: skip


def test_frames_of_one_run_have_its_numbers_and_shared_frames_the_ids_of_changes() -> None:
    batch = a_batch(3, 4)
    assert batch.run_frames == (
        b'id: 3\nevent: step\ndata: {"seq":3}\n\n'
        b'id: 4\nevent: step\ndata: {"seq":4}\n\n'
    )  # fmt: skip
    assert batch.shared_frames == (
        b'id: 7-3\nevent: step\ndata: {"seq":3,"run_id":"run_a"}\n\n'
        b'id: 7-4\nevent: step\ndata: {"seq":4,"run_id":"run_a"}\n\n'
    )


def test_only_events_that_were_sent_are_dropped() -> None:
    batch = a_batch(3, 4, 5)
    assert batch.after_seq(2) is batch.after((7, 2)) is batch
    for rest in (batch.after_seq(3), batch.after((7, 3))):
        assert [item.event.seq for item in rest.items] == [4, 5]
    assert batch.after_seq(5).items == batch.after((7, 5)).items == []


def test_a_gap_before_or_inside_a_batch_is_noticed() -> None:
    assert a_batch(3, 4).continues(2)
    assert Batch(()).continues(2)
    assert not a_batch(4, 5).continues(2)
    assert not a_batch(3, 5).continues(2)
    assert not a_batch(3, 3, 5).continues(2)


def test_the_last_event_of_a_run_ends_it() -> None:
    assert a_batch(1, 2, last_type="end").is_last
    assert not a_batch(1, 2).is_last
    assert not Batch(()).is_last
