"""Which runs are listed, in which order, and how many are read at once."""

from napari_utile.events import RunDone, RunStarted
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.runs import listing
from napari_utile.widgets.runs.listing import KnownRuns
from tests.fixtures.known_job import DONE
from tests.fixtures.new_run import new_run


def test_runs_and_jobs_are_listed_by_time_and_never_more_than_there_is_time_for(
    job, home, monkeypatch
):
    job(DONE, name="2026-01-01_a")
    job(DONE, name="2026-01-03_c")
    with new_run(home / "runs" / "2026-01-02_03-04-05_b", TrainSettings()) as run:
        run.record(RunStarted(job="train", out="OUT"))
        run.record(RunDone(seconds=1))
    runs = KnownRuns()
    monkeypatch.setattr(listing, "READING_SECONDS", -1)
    assert not runs.read() and runs.entries == {}
    monkeypatch.setattr(listing, "READING_SECONDS", 60)
    assert runs.read()
    assert [entry.record.title[0] for entry in runs.entries.values()] == ["c", "b", "a"]
    monkeypatch.setattr(listing, "LISTED_JOBS", 2)
    monkeypatch.setattr(listing, "entry_of", None)  # the others were read
    assert runs.read()
    assert [entry.record.title[0] for entry in runs.entries.values()] == ["c", "b"]
