"""What only the pictures of docs/ need: strokes, an object in 3D, an error, a slow run."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

if TYPE_CHECKING:
    from tests.walk.walk import Walk

Lines = list[tuple[NDArray[np.float64], NDArray[np.float64]]]
NEAR = 60
"""To the middle of the sample, px."""
LONGEST = 60
"""Of a stroke, px."""
SMALL = {"depth": "3", "width": "8", "tile": "128"}
"""A network that learns the sample in a minute."""
FOR_PICTURES = {"minutes": "5", "steps": "400"}
"""As many steps on every machine, however busy it is."""
COMPARED = {"networks": ["unet", "encoder-decoder"], **SMALL, "minutes": "5", "steps": "200"}


def paint_two_classes(walk: "Walk", label: Any, truth: Any) -> None:
    """Paint a few strokes of membranes and of cells, as somebody would who is sparse."""
    painted = walk.viewer.layers.selection.active
    painted.undo()
    for name, value in {"target": "classes", "sparse": True}.items():
        label.form.set_value(name, value)
    walk.viewer.reset_view()
    z = walk.viewer.dims.current_step[0]
    is_cell = truth.data[z] > 0
    truth.visible = False
    for id_, mask in enumerate((~is_cell, binary_erosion(is_cell, iterations=6)), 1):
        label.select(id_)
        painted.brush_size = 4 * id_
        for line in lines_in(mask, 4):
            walk.stroke(*(on_canvas(walk, painted, z, end) for end in line))
    for row, name in enumerate(("membrane", "cell")):
        label.table.item(row, 1).setText(name)
    walk.wait(1)
    walk.docs.work("label")
    truth.visible = True


def lines_in(mask: NDArray[np.bool_], count: int, apart: float = 60) -> Lines:
    """Return the longest straight lines in a mask, apart from each other, as pairs (y, x)."""
    rng, found = np.random.default_rng(0), []
    for start in rng.permutation(np.argwhere(mask))[:500]:
        for angle in np.linspace(0, np.pi, 24, endpoint=False):
            points = start + np.outer(np.arange(LONGEST), (np.sin(angle), np.cos(angle)))
            y, x = np.rint(points).astype(int).clip(0, np.array(mask.shape) - 1).T
            inside = mask[y, x]
            length = len(inside) if inside.all() else int(inside.argmin())
            found.append((length, points[0], points[length - 1]))
    chosen: Lines = []
    for _, first, last in sorted(found, key=lambda line: -line[0]):
        middles = [(a + b) / 2 for a, b in chosen]
        if all(np.hypot(*((first + last) / 2 - other)) > apart for other in middles):
            chosen.append((first, last))
        if len(chosen) == count:
            break
    return chosen


def on_canvas(walk: "Walk", layer: Any, z: int, pixel: Any) -> tuple[float, float]:
    """Return where a pixel (y, x) of a slice is seen, from the middle of the canvas."""
    camera = walk.viewer.scene.camera
    y, x = (np.array(layer.data_to_world((z, *pixel)))[-2:] - camera.center[-2:]) * camera.zoom
    return y, x


def show_alone(walk: "Walk", *layers: Any) -> None:
    """Hide all other layers."""
    for layer in walk.viewer.layers:
        layer.visible = layer in layers


def show_in_3d(walk: "Walk", objects: Any) -> None:
    """Choose the row of the largest object of all slices; show the labels in 3D."""
    viewer, labels, columns = walk.viewer, objects.labels_layer.layer, objects.columns
    image, was_shown = viewer.layers[0], [x for x in viewer.layers if x.visible]
    slices = np.asarray(columns["slices"])
    row = int(np.argmax(np.where(slices == slices.max(), columns["voxels"], 0)))
    objects.table.selectRow(objects.table.order.index(row))
    objects.table.scrollTo(objects.table.currentIndex())
    objects.table.chosen.emit(row)
    show_alone(walk, image, labels)
    look = image.opacity, image.rendering
    viewer.dims.ndisplay, image.opacity, image.rendering = 3, 0.4, "average"
    viewer.reset_view()
    viewer.scene.camera.angles = (0, -30, 60)
    viewer.scene.camera.zoom *= 0.85
    walk.wait(4)
    walk.docs.work("objects")
    viewer.dims.ndisplay = 2
    image.opacity, image.rendering = look
    show_alone(walk, *was_shown)
    viewer.reset_view()


def go_to_an_error(walk: "Walk", evaluate: Any) -> None:
    """Go from error to error until one is in the middle; show it in its slice."""
    view, objects, middle = evaluate.view, evaluate.report.objects, np.array((128, 128))
    walk.viewer.layers["Synthetic ssTEM instances [1]"].visible = False  # of the view alone
    view.tabs.setCurrentWidget(view.objects.parent())
    for _ in range(20):
        walk.press(view.walk.next)
        row = view.objects.order[view.objects.currentIndex().row()]
        if np.hypot(*(objects.centroid[row] - middle)) < NEAR:
            break
    walk.viewer.reset_view()
    walk.wait(1)
    bar = evaluate.scroll.verticalScrollBar()
    bar.setValue(bar.maximum())
    walk.wait(1)
    walk.docs.work("evaluate")


def segment_slowly(walk: "Walk") -> None:
    """Segment in small tiles, and pause while a slice is half filled."""
    viewer, segment = walk.viewer, walk.home.open_step("Segment")
    controls = segment.controls
    show_alone(walk, segment.image.layer)
    segment.form.set_value("tile", "32")
    segment.form.set_value("averaging", True)
    slices = len(segment.image.layer.data)

    def done() -> float:
        return slices * (controls.progress.share or 0)

    walk.press(controls.button)
    walk.until(lambda: done() > 1)
    for _ in range(slices):
        walk.until(lambda: 0.3 < done() % 1 < 0.6)
        walk.press(controls.pause)
        walk.wait(1)
        if 0.3 < done() % 1 < 0.8:  # it may have gone on a little
            break
        walk.press(controls.pause)
    viewer.dims.set_current_step(0, int(done()))
    viewer.reset_view()
    walk.wait(6)  # a growing result may be read again so late, where all is slow
    walk.are_in_view(controls.button, controls.pause, controls.bar, controls.status)
    walk.docs.work("segment_live")
    if walk.out:
        walk.picture("segment slowly")
    walk.press(controls.pause)
    walk.wait(0.5)
    walk.press(controls.button)
    walk.until(lambda: not controls.is_running)


def compare_networks(walk: "Walk", compare: Any) -> None:
    """Compare two networks; show the panel, the results side by side, and all runs."""
    viewer, truth = walk.viewer, walk.viewer.layers["Synthetic ssTEM labels"]
    walk.home.open_step("Compare")
    compare.image.choose(viewer.layers[0])
    compare.labels_layer.choose(truth)
    for name, value in COMPARED.items():
        compare.form.set_value(name, value)
    show_alone(walk)
    walk.run(compare)
    walk.wait(1)
    walk.docs.panel("compare", compare)
    viewer.reset_view()
    walk.wait(0.5)
    walk.docs.layers("compare_results", 2.5)
    runs = walk.home.open_step("Runs")
    walk.wait(2)
    runs.list.setCurrentItem(runs.list.topLevelItem(0))
    walk.wait(0.5)
    walk.docs.dock("runs")
