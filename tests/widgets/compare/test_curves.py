"""The curves of several networks."""

from napari_utile.folders.run import Run
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.options import NETWORK_NAMES
from napari_utile.widgets.compare.curves import NETWORK_COLORS, network_color
from tests.fixtures.compare_panel import DONE, STARTED, begins, epoch, idle


def test_every_network_has_a_curve_in_its_own_color(panel, script, press, qtbot):
    script(
        STARTED, begins("unet"), epoch(1, 0.5), epoch(2, 0.6), begins("fcn"), epoch(1, 0.1),
        DONE,
    )  # fmt: skip
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    qtbot.wait(300)
    assert {run: len(epochs) for run, epochs in panel.curves.runs.items()} == {
        ("unet", 0): 2,
        ("fcn", 0): 1,
    }
    loss, score = panel.curves._lines["unet", 0]
    assert loss.getData()[1].tolist() == [1, 0.5]
    assert score.getData()[1].tolist() == [0.5, 0.6]
    assert score.opts["pen"].color().name() == network_color("unet")
    assert panel.curves.keys[0].names == {name: network_color(name) for name in ("unet", "fcn")}
    assert (
        len({network_color(name) for name in NETWORK_NAMES})
        == len(NETWORK_NAMES)
        <= len(NETWORK_COLORS)
    )
    panel.curves.score.setCurrentIndex(panel.curves.score.findData("dice"))
    qtbot.waitUntil(lambda: score.getData()[1].tolist() == [0.1, 0.1])


def test_what_another_session_did_of_a_network_is_drawn_too(
    panel, script, press, qtbot, tmp_path
):
    folder = tmp_path / "mine"
    done = Run(folder / "unet-seed0")
    done.folder.mkdir(parents=True)
    done.settings.write_text("{}")
    for event in (epoch(1, 0.2), epoch(2, 0.3), epoch(3, 0.4)):
        done.record(event)
    settings = CompareSettings().text()
    (folder / "settings.json").write_text(settings)
    panel.folder.set_path(folder)
    script(STARTED, begins("unet"), epoch(3, 0.9), DONE)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert [e.scores["iou"] for e in panel.curves.runs["unet", 0]] == [0.2, 0.3, 0.9]
