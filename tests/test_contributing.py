"""What CONTRIBUTING promises: a network, a loss, a metric and a panel take the places it lists.

Each is registered where it says, and nowhere else, and is then trained, saved, shown or opened.
"""

import json
from typing import Literal, get_args

import numpy as np
import pytest
import torch
from torch import nn

from napari_utile import TrainSettings, evaluate, load_model, predict, train
from napari_utile.engine.comparison.table import cells as comparison_cells
from napari_utile.engine.training.losses import LOSSES, Loss
from napari_utile.evaluation import rows, slices
from napari_utile.evaluation.scores import SCORES, Score, scores_in
from napari_utile.events import RunDone, RunStarted
from napari_utile.folders.model import ModelCard
from napari_utile.metrics.overlap import iou
from napari_utile.networks import NETWORKS
from napari_utile.networks.tileable import Network
from napari_utile.settings.arrays import WeightSettings
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.process.command_line import flags
from tests.fixtures.trained import TINY, cells
from tests.fixtures.window import press, script  # noqa: F401

torch.set_num_threads(1)


@pytest.fixture
def add_choice():
    """Return a function that adds a choice to an option, as its line in settings/ does."""
    kinds = (TrainSettings, ModelCard)  # the card of a model holds the settings
    with pytest.MonkeyPatch.context() as patch:

        def add_choice(name, choice):
            field = TrainSettings.model_fields[name]
            longer = Literal[*get_args(field.annotation), choice]
            patch.setattr(field, "annotation", longer)
            for kind in kinds:
                kind.model_rebuild(force=True)

        yield add_choice
    for kind in kinds:
        kind.model_rebuild(force=True)


class TwoConvolutions(Network):
    """networks/two_convolutions.py"""

    paper = ("Nobody: Two Convolutions. 2000", "https://example.org")
    margin, stride_alignment, input_phase = (2, 2), (1, 1), (0, 0)

    def __init__(self, in_channels: int = 1, classes: int = 2, width: int = 4):
        super().__init__()
        self.in_channels, self.classes, self.width = in_channels, classes, width
        self.first = nn.Conv2d(in_channels, width, 3)
        self.classify = nn.Conv2d(width, classes, 3)

    def forward(self, x):
        return self.forward_tile(nn.functional.pad(x, 4 * [2]))

    def forward_tile(self, x):
        return self.classify(self.first(x).relu())


def test_a_network_is_trained_tiled_exactly_saved_and_loaded(monkeypatch, add_choice, tmp_path):
    monkeypatch.setitem(NETWORKS, "two-convolutions", TwoConvolutions)
    add_choice("network", "two-convolutions")
    image, labels = cells()
    settings = TrainSettings(**TINY | {"depth": 4}, network="two-convolutions")
    model = train(image, labels, settings)
    assert type(model.network) is TwoConvolutions

    whole, tiled = (predict(model, image, tile=tile) for tile in ((32, 40), (7, 9)))
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.settings == model.settings
    np.testing.assert_array_equal(predict(loaded, image), predict(model, image))


class Squares(Loss):
    """Brier score of each pixel."""

    def values(self, logits, classes, weights):
        truth = nn.functional.one_hot(classes.long(), logits.shape[1]).movedim(-1, 1)
        return (logits.softmax(1) - truth).square().sum(1)


def test_a_loss_is_trained_and_validated_with(monkeypatch, add_choice):
    monkeypatch.setitem(LOSSES, "squares", Squares())
    add_choice("loss", "squares")
    events = []
    train(*cells(), TrainSettings(**TINY, loss="squares"), on_event=events.append)
    found = [event.val_loss for event in events if hasattr(event, "val_loss")]
    assert found and all(0 < loss <= 2 for loss in found)  # of two probabilities
    # of a guess q that an object has the share 1/4: 2 (1/4 (1 - q)^2 + 3/4 q^2)
    assert Squares().guess(np.array([[3.0, 1.0]])) == pytest.approx(2 * (9 / 64 + 3 / 64))


def test_a_metric_is_shown_where_its_entry_says(monkeypatch):
    entry = Score("IoU squared", "The square of the IoU.", "pixels", places=(
        "report", "validation", "comparison", "panel",
    ))  # fmt: skip
    monkeypatch.setitem(SCORES, "iou_squared", entry)
    before = rows.overlap_scores

    def with_it(table, *others):
        return before(table, *others) | {"iou_squared": iou(table) ** 2}

    for module in (rows, slices):  # its value in evaluation/rows.py
        monkeypatch.setattr(module, "overlap_scores", with_it)

    _, labels = cells()
    report = evaluate(labels, np.roll(labels, 1, axis=-1))
    assert report["iou_squared"] == pytest.approx(report["iou"] ** 2)
    assert "iou_squared" in str(report) and "iou_squared" in report.to_csv()
    assert "iou_squared" in scores_in("panel")
    model = train(*cells(), TrainSettings(**TINY))
    assert model.scores["iou_squared"] == pytest.approx(model.scores["iou"] ** 2)
    row = {"network": "unet", "seed": 0, "iou_squared": 0.25}
    assert [heading for heading, _ in zip(*comparison_cells([row]), strict=True)][-1:] == [
        "IoU squared"
    ]


class TinyPanel(Panel):
    """widgets/tiny/panel.py"""

    def __init__(self, napari_viewer):
        super().__init__()
        self.form = Form(WeightSettings)
        self.controls = EngineControls("Weigh", self._collect)
        column = self.column()
        column.addWidget(self.form)
        self.pin(self.controls)
        self.seen = []
        self.controls.happened.connect(self.seen.append)
        self.controls.set_problem("")

    def _collect(self):
        settings = self.form.settings()

        def work():
            yield
            return ["weights", "--out", "map.tif", *flags(settings)]

        return work


def test_a_panel_opens_and_runs_an_engine(make_napari_viewer_proxy, script, press, qtbot):  # noqa: F811
    arguments = script(
        RunStarted(job="train", out="o", device="cpu"), RunDone(out="o", seconds=1)
    )
    viewer = make_napari_viewer_proxy()
    panel = TinyPanel(viewer)
    viewer.window.add_dock_widget(panel)
    panel.form.set_value("w0", "3")
    press(panel.controls.button)
    qtbot.waitUntil(lambda: len(panel.seen) == 2 and not panel.controls.is_running)
    assert json.loads(arguments.read_text())[-2:] == ["--w0", "3.0"]
    assert [type(event) for event in panel.seen] == [RunStarted, RunDone]
