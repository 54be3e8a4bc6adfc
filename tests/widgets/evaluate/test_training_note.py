"""What is said of slices that the network was trained on."""

import numpy as np
import pytest

from napari_utile.arrays.splits import Region, Split
from napari_utile.evaluation import evaluate
from napari_utile.folders.model import DESCRIPTION
from napari_utile.folders.run import Run
from napari_utile.folders.trained_on import SliceUses, Use, record_data
from napari_utile.io.fingerprints import fingerprint
from napari_utile.io.ome_zarr import create_image, create_labels, mark_complete
from napari_utile.io.stack import Stack
from napari_utile.widgets.evaluate.training_note import TrainingNote
from napari_utile.widgets.layers.results import ON_DISK
from tests.fixtures.evaluate_panel import column

STACK = np.zeros((5, 8, 8), np.uint8)
STACK[:, 2:6, 2:6] = 1


@pytest.fixture
def note(qtbot):
    """Return a function that shows what training did with the slices of a stack."""
    label = TrainingNote()
    qtbot.addWidget(label)

    def note(uses, left_out=None, volumetric=False, labels=STACK):
        given = {(z,): use for z, use in uses.items()} if isinstance(uses, dict) else {}
        known = SliceUses(given, unknown=uses if isinstance(uses, str) else "")
        report = evaluate(labels, labels, leave_out=left_out)
        label.show_uses(report, [known], left_out, volumetric)
        return label.text()

    note.label = label
    return note


def test_slices_are_named_and_the_others_offered(note, qtbot):
    uses = {0: Use.TRAINED, 1: Use.TRAINED, 3: Use.TRAINED, 4: Use.VALIDATED}
    text = note(uses)
    assert text.startswith(
        "Slices 0–1, 3 were trained on: scores there flatter. Slice 4 was for validation. <a"
    )
    with qtbot.waitSignal(note.label.leave_out) as asked:
        note.label.linkActivated.emit("others")
    assert asked.args == ["0:2,3:4"]
    assert "<a" not in note(uses, volumetric=True)
    assert note(uses, left_out="0:2,3:4").startswith(
        "Slice 4 was for validation. Slices 0:2,3:4 are left out. <a"
    )
    assert "<a" not in note(dict.fromkeys(range(5), Use.PART))  # there are no others


def test_what_is_not_known_is_said(note):
    assert note("'x' does not say.").endswith("is not known: 'x' does not say.")
    assert note({}) == "The network was trained on other images."


def test_a_result_of_a_model_tells_its_slices(panel, run, viewer, cells, result, tmp_path):
    image = Stack(cells[0], "zyx")
    made = Run(tmp_path / "run")
    made.model.mkdir(parents=True)
    (made.model / DESCRIPTION).touch()
    regions = [(Region(0, (z,)),) for z in (0, 1)]
    record_data(made, [image], Split(*regions, "slices"))
    path, likely = tmp_path / "em.zarr", np.where(result > 0, 200, 20)
    given = {"like": image, "attributes": {"kind": "instances"}}
    create_image(path, result.shape, "u1", result.shape, **given)[:] = likely
    labels = create_labels(path, "instances", result.shape, "u1", result.shape, image)
    labels[:] = result
    plan = {"model_path": str(made.model), "image": fingerprint(image), "settings": {}}
    mark_complete(path, plan=plan)
    said = {ON_DISK: f"{path} instances"}
    panel.prediction.choose(viewer.add_labels(result, name="em", metadata=said))
    report = run(panel)
    view = panel.view
    assert not any("Without probabilities" in text for text in report.notes)
    assert view.summary.ranking.text() == "Objects are ranked by the probabilities in em.zarr."
    assert column(view.scores, "training") == ["", "trained", "validation", ""]
    assert not view.scores.isColumnHidden(view.scores.names.index("training"))
    view.note.linkActivated.emit("others")
    assert panel.controls.is_running
    panel.controls.stop()
    others = run(panel)
    assert [row["slice"] for row in others.rows] == [1, 2, "all"]
    assert others["true_positives"] == 3  # of 4: one is missed
    assert "Slices 0:1 are left out." in view.note.text()
    panel.prediction.choose(viewer.layers["result"])  # it has other slices
    assert panel.form.settings().leave_out is None
