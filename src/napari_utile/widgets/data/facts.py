"""What a layer is, in a few words. No Qt."""

from napari.layers import Layer

from napari_utile.widgets.layers.stacks import level_0

SHORT_UNITS = {"nanometer": "nm", "micrometer": "µm", "millimeter": "mm", "pixel": "px"}
"""Units as they are written, where that is short."""


def layer_facts(layer: Layer) -> str:
    """Return the size, the kind of numbers, and the size of a pixel.

    Parameters
    ----------
    layer : Layer
        Image or labels.

    Returns
    -------
    str
        '8 x 256 x 256, uint8, voxel 50 x 4 x 4 nm'.
    """
    data = level_0(layer)
    size = " x ".join(f"{length:,}" for length in data.shape)
    facts = [size, str(data.dtype)]
    scale, units = [float(x) for x in layer.scale], [str(unit) for unit in layer.units]
    if len(set(scale)) > 1 or scale[0] != 1 or set(units) != {"pixel"}:
        unit = SHORT_UNITS.get(units[-1], units[-1])
        sides = " x ".join(f"{side:g}" for side in scale)
        facts.append(f"{'voxel' if len(scale) > 2 else 'pixel'} {sides} {unit}")
    return ", ".join(facts)
