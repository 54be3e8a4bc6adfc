"""Go from three painted slices to a table of objects in a real window; take its pictures.

    xvfb-run -a -s "-screen 0 1600x1200x24" python docs/make_tour.py

The way of the chapter "From three painted slices to a table" in docs/stacks.md, on synthetic
data: what somebody would paint is copied from the truth, and nothing else of it is used.
"""

from pathlib import Path
from typing import Any

import numpy as np
from make_pictures import fill_in, new_window, press, save, wait, wait_until, wanted

SLICES, SIDE = 16, 256
PAINTED = (3, 8, 13)
OPTIONS = {"steps": "", "width": 8, "depth": 3, "tile": 128, "context": 1}
"""A network that learns this easy sample in a minute or two."""


def main() -> None:
    """Paint, train, segment, measure, and go to an object."""
    minutes, out = wanted(__doc__)
    with new_window() as viewer:
        import napari_utile as utile
        from napari_utile.samples.synthesis import synthetic_stack

        pixels, truth = synthetic_stack((SLICES, SIDE, SIDE))
        place = {"scale": (50, 4, 4), "units": ("nm",) * 3}
        image = viewer.add_image(pixels, name="em", **place)
        painted = viewer.add_labels(np.zeros_like(truth), name="painted", **place)
        for z in PAINTED:
            painted.data[z] = truth[z]
        painted.refresh()

        train = opened(viewer, "Train on layers")
        train.folder.set_path(Path("runs/painted"))
        fill_in(train, {"minutes": str(minutes), **OPTIONS})
        press(train.controls.button, lambda: not train.controls.is_running)
        print(train.controls.messages.text())
        train.look_at.remove()

        segment = opened(viewer, "Segment")
        segment.form.set_value("output", "instances")
        segment.form.set_value("min_size", 30)
        segment.output.set_path(Path("painted.zarr"))
        press(segment.controls.button, lambda: not segment.controls.is_running)
        *_, result = segment.result.layers

        objects = opened(viewer, "Objects")
        objects.labels_layer.choose(result)
        press(objects.controls.button, lambda: not objects.controls.is_running)
        wait_until(lambda: "id" in objects.columns)
        report = utile.evaluate(np.asarray(result.data), truth, volumetric=True)
        count = len(np.unique(truth[truth > 0]))
        print(f"{len(objects.columns['id'])} objects, {count} in the truth: {report}")
        show_largest(viewer, image, result, objects)
        save(viewer.screenshot(canvas_only=False, flash=False), out / "objects.png")


def opened(viewer: Any, name: str) -> Any:
    """Open a panel beside the canvas, in place of the one before."""
    _, panel = viewer.window.add_plugin_dock_widget("napari-utile", name, tabify=True)
    return panel


def show_largest(viewer: Any, image: Any, result: Any, objects: Any) -> None:
    """Choose the row of an object of all slices, as a click does; show it in 3D."""
    columns = objects.columns
    sizes = np.where(np.asarray(columns["slices"]) == SLICES, columns["voxels"], 0)
    row = int(np.argmax(sizes))
    objects.table.chosen.emit(row)
    for layer in viewer.layers:
        layer.visible = layer in (image, result)
    viewer.dims.ndisplay = 3
    image.opacity = 0.4
    image.rendering = "average"
    viewer.reset_view()
    viewer.scene.camera.angles = (10, 40, 60)
    viewer.scene.camera.zoom *= 0.6
    wait(4)


if __name__ == "__main__":
    main()
