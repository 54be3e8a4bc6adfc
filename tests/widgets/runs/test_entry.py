"""One job as the list shows it."""

from napari_utile.widgets.runs import entry as _job_entry
from napari_utile.widgets.runs.entry import JobEntry
from tests.fixtures.known_job import STARTED, say, tile


def test_of_a_long_record_few_lines_are_read(job, monkeypatch):
    folder = job(STARTED)
    with folder.events.open("a") as file:  # more than is read at once
        file.writelines(tile(1).line() + "\n" for _ in range(50_000))
    say(folder, tile(3))
    read = []
    parse = _job_entry.parse_event
    monkeypatch.setattr(
        _job_entry, "parse_event", lambda line: read.append(line) or parse(line)
    )
    with folder.held():
        entry = JobEntry(folder, folder.record)
        entry.update()
        assert entry.words() == "running 75%, 2 min 5 s left"
        assert len(read) < 10
        entry.update()
        assert len(read) < 10
