"""The steps of the walk, on the synthetic sample, and where its pictures are taken."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.fixtures.coco_sample import write_coco_sample
from tests.walk.shown import (
    FOR_PICTURES,
    SMALL,
    compare_networks,
    go_to_an_error,
    paint_two_classes,
    segment_slowly,
    show_in_3d,
)

if TYPE_CHECKING:
    from tests.walk.walk import Walk


def the_whole(walk: "Walk", minutes: str = "1", options: dict[str, str] | None = None) -> None:
    """Go through all steps on the synthetic sample, as a newcomer would."""
    bring_and_label(walk)
    budget = FOR_PICTURES if walk.docs.are_wanted else {"minutes": minutes}
    train_a_network(walk, {**SMALL, **budget, **(options or {})})
    segment_and_correct(walk)
    look_at_it(walk)
    drop_and_close(walk)


def bring_and_label(walk: "Walk") -> None:
    """Open the sample, paint a stroke into new labels, and see the weights of the loss."""
    home, viewer = walk.home, walk.viewer
    with walk.step("data") as seen:
        data = home.open_step("Data")
        walk.press(data.synthetic)
        walk.until(lambda: len(viewer.layers) == 2)
        seen.said = data.list.text()
    walk.docs.panel("data", data)
    image, truth = viewer.layers
    with walk.step("label") as seen:
        label = home.open_step("Label")
        label.image.choose(image)
        walk.press(label.new)
        walk.stroke((0, -60), (30, 60))
        painted = viewer.layers.selection.active
        seen.said = f"{painted.name}: {int((painted.data > 0).sum()):,} px painted"
    if walk.docs.are_wanted:
        paint_two_classes(walk, label, truth)
    viewer.layers.remove(painted)

    with walk.step("weight map") as seen:
        weights = home.open_step("Weight map")
        weights.labels_layer.choose(truth)
        walk.press(weights.controls.button)
        walk.until(lambda: weights.overlay is not None)
        seen.said = f"weights up to {float(weights.overlay.data.max()):.3g}"
        walk.are_in_view(weights.controls.button)
    walk.docs.work("weight_map")
    viewer.layers.remove(weights.overlay)


def train_a_network(walk: "Walk", options: dict[str, str]) -> None:
    """Look at what training sees, train, and see the preview."""
    home, viewer = walk.home, walk.viewer
    train = home.open_step("Train")
    image, truth = viewer.layers
    train.labels_layer.choose(truth)
    for name, value in options.items():
        train.form.set_value(name, value)
    viewer.layers.selection.active = image
    for number in ("first", "again"):
        with walk.step(f"preview {number}") as seen:
            seen.said = f"{walk.run(train, train.look):.1f} s"
            walk.until(lambda: train.before.samples and len(train.before.samples.layers) == 6)
    if walk.docs.are_wanted:
        truth.visible = False
        walk.wait(1)
        walk.docs.layers("preview", 1.8)
        truth.visible = True
    train.before.samples.remove()
    walk.until(lambda: len(viewer.layers) == 2)
    viewer.reset_view()
    with walk.step("train until the first preview") as seen:
        walk.press(train.controls.button)
        walk.are_in_view(train.controls.button, train.controls.bar, train.controls.status)
        started = walk.until(train.curves.isVisible)
        previewed = walk.until(lambda: any("preview" in x.name for x in viewer.layers))
        seen.said = f"started after {started:.1f} s, preview {previewed:.1f} s later"
    with walk.step("train") as seen:
        walk.until(lambda: not train.controls.is_running)
        seen.said = train.controls.messages.text()
    if walk.docs.are_wanted:
        walk.docs.panel("train", train)
        truth.visible = False  # to see the preview
        train.scroll.ensureWidgetVisible(train.curves)
        walk.wait(0.5)
        walk.docs.window("home")
        truth.visible = True
    train.look_at.remove()


def segment_and_correct(walk: "Walk") -> None:
    """Find objects, by other settings, too, and correct one with the brush."""
    home, viewer = walk.home, walk.viewer
    segment = home.open_step("Segment")
    segment.image.choose(viewer.layers[0])
    with walk.step("segment the layer") as seen:
        seen.said = f"{walk.run(segment):.1f} s"
        walk.until(lambda: any(x.name.endswith("instances") for x in viewer.layers))
    walk.docs.panel("segment", segment)
    walk.docs.window("window")
    with walk.step("segment the view") as seen:
        segment.source.kind.setCurrentText("the current view")
        seen.said = f"{walk.run(segment):.1f} s"
    segment.source.kind.setCurrentText("a layer")
    if walk.docs.are_wanted:
        viewer.layers["Synthetic ssTEM instances"].visible = False  # only the view
    with walk.step("threshold") as seen:
        for value in (0.6, 0.7):
            segment.form.set_value("threshold", value)
            walk.wait(0.3)
        seen.said = segment.redraw.line.text()
    walk.docs.work("objects_preview")
    if segment.redraw.is_shown:
        walk.press(segment.redraw.discard)
    with walk.step("stroke on a result") as seen:
        result = next(x for x in reversed(viewer.layers) if x.name.endswith("instances"))
        viewer.layers.selection.active = result
        walk.key("2")  # napari's brush
        walk.stroke((-40, -40), (-20, 30))
        seen.said = segment.correction.messages.text() or segment.correction.line.text()
    with walk.step("edit a result") as seen:
        before = len(viewer.layers)
        walk.press(segment.correction.edit)
        walk.until(lambda: len(viewer.layers) > before)
        walk.stroke((-40, -40), (-20, 30))
        if walk.docs.are_wanted:
            segment.scroll.ensureWidgetVisible(segment.correction.into)
            walk.wait(0.5)
            walk.docs.work("edit")
        walk.press(segment.correction.save)
        walk.until(lambda: "Saved" in segment.correction.messages.text())
        seen.said = segment.correction.messages.text()


def look_at_it(walk: "Walk") -> None:
    """Measure, evaluate, and find it all again in the list of runs."""
    home, viewer = walk.home, walk.viewer
    truth = next(x for x in viewer.layers if x.name == "Synthetic ssTEM labels")
    with walk.step("measure") as seen:
        objects = home.open_step("Measure")
        objects.labels_layer.choose(truth)
        walk.run(objects)
        walk.until(lambda: "id" in objects.columns)
        seen.said = f"{len(objects.columns['id'])} objects"
    if walk.docs.are_wanted:
        show_in_3d(walk, objects)
    with walk.step("evaluate") as seen:
        evaluate = home.open_step("Evaluate")
        evaluate.truth.choose(truth)
        result = next(x for x in reversed(viewer.layers) if x.name.endswith("instances"))
        evaluate.prediction.choose(result)
        walk.press(evaluate.button)
        walk.until(lambda: evaluate.report is not None)
        seen.said = evaluate.view.summary.whole.text()
        walk.are_in_view(evaluate.button)
    if walk.docs.are_wanted:
        go_to_an_error(walk, evaluate)
    with walk.step("runs") as seen:
        runs = home.open_step("Runs")
        walk.until(lambda: runs.list.topLevelItemCount() > 1)
        seen.said = f"{runs.list.topLevelItemCount()} runs"
        walk.are_in_view(runs.stop, runs.show_it)
    with walk.step("show a run"):
        for row in range(runs.list.topLevelItemCount()):
            item = runs.list.topLevelItem(row)
            runs.list.setCurrentItem(item)
            if runs.show_it.isEnabled() and not runs.show_it.isHidden():
                walk.press(runs.show_it)
                break
        walk.wait(2)
    with walk.step("compare"):
        compare = home.open_step("Compare")
        walk.wait(1)
        walk.are_in_view(compare.controls.button)
    if walk.docs.are_wanted:
        segment_slowly(walk)
        compare_networks(walk, compare)


def drop_and_close(walk: "Walk") -> None:
    """Open a COCO file, as if it were dropped, and close the dock."""
    from qtpy.QtCore import QTimer

    viewer, names = walk.viewer, ("annotations classes", "annotations instances")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path, _ = write_coco_sample(Path(folder))
        with walk.step("open a COCO file") as seen:
            QTimer.singleShot(0, lambda: viewer.open(path, plugin="napari-utile"))
            walk.until(lambda: all(name in viewer.layers for name in names))
            seen.said = f"{len(viewer.layers)} layers"
    with walk.step("close the dock"):
        viewer.window.remove_dock_widget(walk.home)
