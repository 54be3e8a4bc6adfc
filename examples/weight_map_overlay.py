"""See in napari how much each pixel counts in the loss: the weight map over the image.

The U-Net paper gives pixels in narrow gaps between objects up to `w0` more weight, fading
over gaps about `sigma` pixels wide, so that touching cells are separated (sec. 3, eq. 2).
"""

import napari

import napari_utile as utile
from napari_utile.samples.samples import synthetic_stack

image, labels = synthetic_stack((4, 256, 256))
weights = utile.weight_map(labels, w0=10, sigma=5)

viewer = napari.Viewer(title="U-Tile: weight map")
place = {"scale": (50, 4, 4), "units": ("nm", "nm", "nm")}
viewer.add_image(image, name="image", **place)
viewer.add_labels(labels, name="cells", opacity=0.3, **place)
overlay = viewer.add_image(
    weights, name="weight map", colormap="inferno", blending="additive", **place
)
overlay.colorbar.visible = True
viewer.canvas.overlays.scale_bar.visible = True

if __name__ == "__main__":
    napari.run()
