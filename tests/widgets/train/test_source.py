"""Training on several layers and on folders: what is written is what the shell would take."""

import json

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_utile.cli.main import parsed_command
from napari_utile.engine.training.front import train_files
from napari_utile.events import RunDone, RunStarted, drain
from napari_utile.folders.places import plain_name
from napari_utile.folders.run import Run
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.stack import HOLDS
from napari_utile.widgets.layers.remedies import convert_to_labels
from napari_utile.widgets.train.panel import TrainPanel
from napari_utile.widgets.train.source import What
from tests.fixtures.tiny_training import TINY, cells

STARTED, STOPPED = RunStarted(job="train", out="OUT"), RunDone(seconds=1, stopped=True)
SHAPES = {"cells A": (32, 40), "cells B": (40, 48), "cells C": (32, 56)}


@pytest.fixture
def three():
    """Three images of different size with their labels."""
    return {name: cells(shape) for name, shape in SHAPES.items()}


@pytest.fixture
def panel(open_panel, qtbot, three):
    from napari.components import ViewerModel

    viewer = ViewerModel()
    for name, (image, labels) in three.items():
        viewer.add_image(image, name=name)
        viewer.add_labels(labels, name=f"labels of {name}")
    return open_panel(TrainPanel, viewer)


def trained(panel, script, press, qtbot):
    arguments = script(STARTED, STOPPED)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: not panel.controls.is_running)
    return json.loads(arguments.read_text())


def test_several_layers_are_trained_on_as_the_shell_does_with_their_files(
    panel, script, press, qtbot, three, tmp_path
):
    panel.source.choose(What.LAYERS)
    for name, value in TINY.items():
        panel.form.set_value(name, value)
    panel.form.set_value("minutes", "")
    table = panel.source.table
    assert [table.cellWidget(row, 1).currentText() for row in range(3)] == [
        f"labels of {name}" for name in SHAPES
    ]
    table.cellWidget(1, 2).setCurrentText("validation")
    assert panel.form.settings().validation_images == ("cells-B",)
    assert panel.controls.button.isEnabled() and panel.look.isHidden()
    command = trained(panel, script, press, qtbot)
    assert {path.split("/")[-1] for path in command[1:3]} == {"images", "labels"}

    for kind, which in (("i", 0), ("l", 1)):
        for name, pair in three.items():
            (tmp_path / kind).mkdir(exist_ok=True)
            write_tiff(tmp_path / kind / f"{name.replace(' ', '-')}.tif", pair[which])
    asked = parsed_command(command)
    runs = [Run(asked.out), Run(tmp_path / "shell")]
    paths = (asked.image, asked.labels), (tmp_path / "i", tmp_path / "l")
    here, there = (
        drain(train_files(*of, run.folder, asked.options())).network.state_dict()
        for of, run in zip(paths, runs, strict=True)
    )
    assert all(value.equal(there[name]) for name, value in here.items())
    timed = {"seconds", "rate", "seconds_left", "out", "facts", "path", "progress", "image"}
    events = [[e.model_dump(exclude=timed) for e in run.recorded()] for run in runs]
    assert events[0] == events[1]


def test_several_layers_are_suggested_where_images_have_labels_until_the_user_chooses(
    open_panel, panel, viewer, three
):
    one = open_panel(TrainPanel, viewer)
    assert one.source.kind is What.LAYER and one.source.note.isHidden()
    for name, (image, labels) in [*three.items()][:2]:
        viewer.add_image(image, name=name)
        assert one.source.kind is What.LAYER
        viewer.add_labels(labels, name=f"{name}_mask")
        assert one.source.kind is What.LAYERS
        viewer.layers.remove(name)
        assert one.source.kind is What.LAYER
    assert panel.source.kind is What.LAYERS and panel.look.isHidden()
    assert "3 images have labels of their own: all are trained on" in panel.source.note.text()
    panel.source.note.linkActivated.emit("a layer")
    assert panel.source.kind is What.LAYER and panel.source.note.isHidden()
    panel._viewer.layers.remove("cells C")
    assert panel.source.kind is What.LAYER


def test_each_image_is_ticked_once_its_labels_are_there_and_it_is_said_which_are(
    open_panel, three, qtbot
):
    from napari.components import ViewerModel

    viewer = ViewerModel()
    for name, (image, labels) in three.items():
        viewer.add_image(image, name=name)
        viewer.add_image(labels, name=f"{name}_mask")
    source = open_panel(TrainPanel, viewer).source
    for name in three:
        convert_to_labels(viewer, viewer.layers[f"{name}_mask"])
    assert source.kind is What.LAYERS and len(source.table.ticked()) == 3
    assert "3 images have labels of their own: all are trained on" in source.note.text()
    source.table.item(1, 0).setCheckState(Qt.CheckState.Unchecked)
    assert "own: the 2 that are ticked are trained on" in source.note.text()
    viewer.add_labels(np.zeros((4, 4), np.uint8))
    assert source.table.ticked() == [0, 2]  # as the user left it


def test_what_is_trained_on_stays_while_it_is(panel, viewer, monkeypatch):
    monkeypatch.setattr(panel.source, "_is_held", lambda: True)
    for name in ("cells A", "cells B"):
        panel._viewer.layers.remove(name)
    assert panel.source.kind is What.LAYERS


def test_other_labels_are_copied_beside_those_of_the_run(panel, script, press, qtbot):
    panel.source.choose(What.LAYERS)
    first = trained(panel, script, press, qtbot)
    panel.folder.set_path(Run(first[first.index("--out") + 1]).folder)
    assert trained(panel, script, press, qtbot)[1:3] == first[1:3]
    panel._viewer.layers["labels of cells B"].data[:4, :4] = 77
    again = trained(panel, script, press, qtbot)
    assert again[1] == first[1].replace("/inputs/", "/inputs_2/")
    changed = open_image(f"{again[2]}/cells-B.zarr")
    assert (np.asarray(changed.data)[:4, :4] == 77).all()


def test_rows_can_be_unticked_and_say_what_they_lack(panel, script, press, qtbot):
    panel.source.choose(What.LAYERS)
    panel._viewer.layers.remove("labels of cells C")
    assert panel.source.table.names() == ["cells-A", "cells-B"]  # the third has none
    third = panel.source.table.item(2, 0)
    third.setCheckState(Qt.CheckState.Checked)
    text = panel.controls.messages.text()
    assert "Choose labels for 'cells C', or untick it." in text
    assert not panel.controls.button.isEnabled()
    third.setCheckState(Qt.CheckState.Unchecked)
    command = trained(panel, script, press, qtbot)
    assert len([*Run(command[4]).inputs.glob("images/*.zarr")]) == 2


def test_probabilities_of_a_result_are_no_image_to_train_on(panel):
    viewer = panel._viewer
    image = viewer.layers["cells A"]
    viewer.add_image(image.data.copy(), name="cells A p", metadata={HOLDS: "probabilities"})
    panel.source.choose(What.LAYERS)
    assert panel.source.table.names() == ["cells-A", "cells-B", "cells-C"]


def test_two_folders_pair_by_name_and_say_what_is_alone(
    panel, script, press, qtbot, tmp_path, three
):
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for name, (image, labels) in three.items():
        write_tiff(tmp_path / "images" / f"{name}.tif", image)
        write_tiff(tmp_path / "labels" / f"{name}.tif", labels)
    panel.source.choose(What.FOLDERS)
    assert "Choose a folder of images." in panel.controls.messages.text()
    panel.source.images.set_path(tmp_path / "images")
    assert panel.source.labels.start == str(tmp_path)
    red = [choice.line.styleSheet() for choice in (panel.source.images, panel.source.labels)]
    assert not red[0] and red[1]
    panel.source.labels.set_path(tmp_path / "labels")
    qtbot.waitUntil(lambda: panel.source.table.rowCount() == 3)
    assert panel.source.table.item(0, 1).text() == "cells A.tif"
    command = trained(panel, script, press, qtbot)
    assert command[1:3] == [str(tmp_path / "images"), str(tmp_path / "labels")]
    assert panel._folder.name.endswith(f"_{plain_name(tmp_path.name)}")

    (tmp_path / "labels" / "cells B.tif").unlink()
    panel.source.labels.set_path(tmp_path / "labels")
    qtbot.waitUntil(lambda: "No labels for cells B.tif: add" in panel.controls.messages.text())
    assert not panel.controls.button.isEnabled()
    panel.form.set_value("skip_broken", True)
    assert panel.controls.button.isEnabled()
    panel.source.labels.set_path(tmp_path / "nowhere")
    qtbot.waitUntil(lambda: "nowhere" in panel.controls.messages.text())
