"""Which runs there are, and what is new of each: jobs, and what is found beside them. No Qt."""

from collections.abc import Mapping
from time import monotonic

from napari_utile.folders.job import JobFolder
from napari_utile.widgets.kit.paths import LISTED_JOBS, known_jobs, known_place
from napari_utile.widgets.runs.entry import JobEntry, entry_of
from napari_utile.widgets.runs.found import FoundRun, found_runs
from napari_utile.widgets.runs.words import TIME_FORMAT

READING_SECONDS = 0.05
"""Time for reading new runs at once."""


class KnownRuns:
    """The newest runs of this user.

    Attributes
    ----------
    entries : dict of str to JobEntry
        Path of the folder -> run, the newest first.
    """

    def __init__(self) -> None:
        self.entries: dict[str, JobEntry] = {}
        self._read: dict[str, JobEntry] = {}  # older ones, too

    def read(self) -> bool:
        """Read what is new; return whether there was time for all that is read at first."""
        until = monotonic() + READING_SECONDS
        jobs = {str(folder.path): folder for folder in known_jobs()}
        is_read = self._read_new(jobs, until)
        outs = {x.record.out for x in self._read.values() if isinstance(x.folder, JobFolder)}
        runs = {str(run.path): run for run in found_runs(known_place(), outs, LISTED_JOBS)}
        is_read = is_read and self._read_new(runs, until)
        self._read = {key: self._read[key] for key in (*jobs, *runs) if key in self._read}
        newest = sorted(self._read.items(), key=lambda item: _made_at(item[1]), reverse=True)
        self.entries = dict(newest[:LISTED_JOBS])
        for entry in self.entries.values():
            entry.update()
        return is_read

    def _read_new(self, folders: Mapping[str, JobFolder | FoundRun], until: float) -> bool:
        for key, folder in folders.items():
            if key in self._read:
                continue
            if monotonic() > until:
                return False
            if entry := entry_of(folder):
                self._read[key] = entry
        return True


def _made_at(entry: JobEntry) -> str:
    """Return by what runs are ordered: the names of their folders, if a window gave them."""
    name = entry.folder.path.name
    return name if name[:4].isdigit() else f"{entry.record.created:{TIME_FORMAT}}"
