"""What the pictures show, read from the drawn lines and pixels."""

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from napari_utile.engine.comparison import figures
from napari_utile.events import EpochDone
from napari_utile.folders.comparison import ValidationFolder
from napari_utile.io.images import write_tiff


def epochs(losses, seconds=10.0, score="iou"):
    return [
        EpochDone(
            epoch=i, step=5 * i, train_loss=1, val_loss=loss, scores={score: 1 - loss},
            is_best=False, seconds=seconds * i,
        )
        for i, loss in enumerate(losses, 1)
    ]  # fmt: skip


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw curves; give the figure."""
    kept = []
    monkeypatch.setattr(figures, "save", lambda figure, path: kept.append(figure))

    def drawn(curves, by_time=False):
        figures.draw_curves(tmp_path / "curves.png", curves, by_time)
        return kept[-1]

    return drawn


def test_one_color_per_network_and_a_thin_line_per_seed(drawn):
    two = [epochs([0.8, 0.4, 0.5]), epochs([0.6, 0.2, 0.1])]
    figure = drawn({"unet": two, "fcn": [epochs([0.9, 0.8, 0.7])]})
    loss, iou = figure.axes
    lines = [line for line in loss.lines if line.get_marker() == "None"]
    assert len(lines) == 2 + 1 + 1
    assert [line.get_color() for line in lines] == [figures.COLORS[0]] * 3 + [figures.COLORS[1]]
    mean = max(lines, key=lambda line: line.get_linewidth())
    assert mean.get_ydata() == pytest.approx([0.7, 0.3, 0.3])
    assert mean.get_xdata() == pytest.approx([5, 10, 15])
    dots = [line for line in iou.lines if line.get_marker() == "o"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots] == [
        (10, pytest.approx(0.6)), (15, pytest.approx(0.9)), (15, pytest.approx(0.3)),
    ]  # fmt: skip
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["unet", "fcn", "model that was kept"]


def test_settings_of_matplotlib_do_not_matter(drawn):
    with rc_context({"text.usetex": True, "axes.facecolor": "red"}):
        figure = drawn({"unet": [epochs([0.8, 0.4])]})
    assert figure.axes[0].get_facecolor() == (1, 1, 1, 1)
    assert not figure.axes[0].xaxis.label.get_usetex()


@pytest.mark.parametrize(
    ("by_time", "seconds", "label", "first"),
    [(False, 10, "optimizer steps", 5), (True, 10, "time of training (s)", 10),
     (True, 120, "time of training (min)", 2)],
)  # fmt: skip
def test_the_axis_is_what_the_budget_is(drawn, by_time, seconds, label, first):
    figure = drawn({"unet": [epochs([0.8, 0.4], seconds)]}, by_time)
    assert [ax.get_xlabel() for ax in figure.axes] == [label, label]
    assert [ax.get_ylabel() for ax in figure.axes] == ["validation loss", "validation IoU"]
    assert figure.axes[0].lines[0].get_xdata()[0] == first


def test_runs_that_share_no_time_have_no_mean(drawn):
    apart = [epochs([0.5, 0.4], 1.0), epochs([0.5, 0.4], 100.0)]
    assert drawn({"unet": apart}, by_time=True).axes[0].lines[-1].get_xdata().size == 0


def test_losses_far_apart_are_drawn_on_a_logarithmic_axis(drawn):
    assert drawn({"unet": [epochs([9.0, 0.1])]}).axes[0].get_yscale() == "log"
    assert drawn({"unet": [epochs([0.9, 0.5])]}).axes[0].get_yscale() == "linear"


def test_classes_are_drawn_by_their_mean(drawn):
    figure = drawn({"unet": [epochs([0.9, 0.5], score="mean_iou")]})
    assert figure.axes[1].get_ylabel() == "validation mean IoU"


def test_found_objects_have_the_color_of_the_true_ones():
    true = np.array([[3, 3, 3, 0, 8, 8, 8, 0]])
    found = np.array([[1, 1, 1, 0, 2, 0, 0, 5]])
    none = figures.NONE
    assert figures.partners(found, true).tolist() == [[3, 3, 3, 0, none, 0, 0, none]]
    colors = figures.colors_of(40)
    assert (len(colors), colors[0].tolist()) == (40, [0, 0, 0])
    assert (np.abs(colors[:, None] - colors).max(axis=-1) + np.eye(40)).min() > 0.03


@pytest.mark.parametrize("volumes", [False, True])
def test_results_stand_beside_image_and_truth(tmp_path, monkeypatch, volumes):
    truth = np.zeros((2, 20, 30), np.uint8)
    truth[:, 4:9, 3:9], truth[:, 12:18, 10:25] = 1, 2
    found = np.where(truth == 2, 7, 0).astype(np.uint8)
    found[int(not volumes)] = 0  # drawn is the other slice
    both, one = ValidationFolder(tmp_path), ValidationFolder(tmp_path / "unet")
    write_tiff(both.file("truth"), truth)
    write_tiff(both.file("image"), 100 * truth)
    write_tiff(one.file("instances"), found)
    titles, said = [], []
    monkeypatch.setattr(
        figures, "save",
        lambda figure, path: (titles.extend(ax.get_title() for ax in figure.axes),
                              said.append(figure.get_supxlabel()),
                              Figure.savefig(figure, path)),
    )  # fmt: skip
    row = {"iou": 0.75, "v_rand": 0.9}
    out = tmp_path / "results.png"
    figures.draw_results(out, both, {"unet": (row, one)}, volumes)
    assert ("middle slice of the volume" in said[0]) == volumes
    assert [t for t in titles if t] == ["image", "truth", "unet\nIoU 0.750   V Rand 0.900"]
    pixels = np.asarray(Image.open(out).convert("RGB"), int)
    once, twice = (
        (abs(pixels - 255 * color).max(axis=-1) < 3).sum()
        for color in figures.colors_of(3)[1:3]
    )
    # object 2 in truth and result, object 1 (30 of 90 pixels) in the truth alone
    assert twice / once == pytest.approx(2 * 90 / 30, rel=0.1)


@pytest.mark.parametrize(
    ("panels", "aspect", "columns"), [(3, 1.0, 2), (6, 1.0, 3), (7, 1.0, 4), (3, 8.0, 1)]
)
def test_panels_fill_a_page(panels, aspect, columns):
    assert figures.columns_for(panels, aspect) == columns
