"""Rows of the list of runs."""

from datetime import datetime

from napari_utile.widgets.runs.entry import entry_of
from napari_utile.widgets.runs.rows import RunTree
from tests.fixtures.known_job import DONE, STARTED, tile


def test_a_row_has_what_and_by_which_model_and_how_far_with_the_time_left_below(job, qtbot):
    tree = RunTree()
    qtbot.addWidget(tree)
    running, done = job(STARTED, tile(1)), job(DONE, name="2026-01-02_b")
    with running.held():
        entries = {name: entry_of(x) for name, x in (("r", running), ("d", done))}
        for entry in entries.values():
            entry.update()
        tree.show_entries(entries, {entries["r"].model: "Mito"})
    row = tree.topLevelItem(0)
    made = f"{datetime.now():today %H:%M}"[:8]
    assert row.text(0).startswith(f"em → instances\n{made}") and row.text(0).endswith("· Mito")
    assert row.text(1) == "running 25%\n2 min 5 s left"
    assert tree.topLevelItem(1).text(1) == "done"
    tree.setCurrentItem(row)
    assert (tree.chosen_key, tree.chosen_image) == ("r", None)
