"""The standard part of a package, which other programs follow, must say what the card says."""

from collections.abc import Iterator, Sequence
from itertools import chain
from reprlib import repr as short
from typing import Any

from napari_utile.arrays.instances.offsets import Offset, affinity_names
from napari_utile.arrays.intensity import GAIN, OFFSET, Normalization
from napari_utile.arrays.own_gray_values import HIGH, LOW
from napari_utile.settings.options import NormalizedBy

ORDER_OF_AXES = {2: "batch, channel, y, x", 3: "batch, channel, z, y, x"}
"""By the number of spatial axes."""
"""Of images and probabilities, in the order in which a network takes and gives them."""
FEEDING = "fixed_zero_mean_unit_variance"
"""What the standard calls a `Normalization`."""
NO_CONTRAST = 1e-10
"""What is added to a standard deviation or a range by others, so that none is 0."""

Claim = tuple[str, str, str, str]
"""A place in the standard part, what it says, the place in the card, and what that says."""


def feeding(
    normalization: Normalization, normalize: NormalizedBy = "model", ndim: int = 2
) -> list[dict[str, Any]]:
    """Describe how images are normalized, in steps.

    Parameters
    ----------
    normalization : Normalization
        The numbers of a single channel stand alone.
    normalize : {"model", "image", "percentiles"}
        By these numbers, or by those of each image, which others then measure themselves.
    ndim : int, default 2
        Spatial axes of the network.
    """
    whole = {"axes": list("zyx"[-ndim:]), "eps": NO_CONTRAST}
    if normalize == "image":
        return [{"id": "zero_mean_unit_variance", "kwargs": whole}]
    if normalize == "percentiles":
        ends = {"min_percentile": LOW, "max_percentile": HIGH}
        return [
            {"id": "scale_range", "kwargs": whole | ends},
            {"id": "scale_linear", "kwargs": {"gain": GAIN, "offset": OFFSET}},
        ]
    mean, std = list(normalization.mean), list(normalization.std)
    one = len(mean) == 1
    numbers = {"mean": mean[0], "std": std[0]} if one else {"mean": mean, "std": std}
    return [{"id": FEEDING, "kwargs": numbers if one else numbers | {"axis": "channel"}}]


def channel_axis(name: str, count: int, context: int = 0) -> dict[str, Any]:
    """Describe the axis of `count` channels, which are called `name` and their number.

    With a context it has those of each slice that is seen, one slice after the other:
    channel0_before1, channel0, channel0_after1.
    """
    seen = (_of_slice(offset) for offset in range(-context, context + 1))
    names = [f"{name}{i}{of_slice}" for of_slice in seen for i in range(count)]
    return {"type": "channel", "channel_names": names}


def class_axis(count: int, offsets: Sequence[Offset] = ()) -> dict[str, Any]:
    """Describe the axis of `count` maps of probability: classes, or those of affinities."""
    if offsets:
        return {"type": "channel", "channel_names": [*affinity_names(offsets)]}
    return channel_axis("class", count)


def _of_slice(offset: int) -> str:
    """Return what the names of channels of another slice end in."""
    return f"_{'before' if offset < 0 else 'after'}{abs(offset)}" if offset else ""


def contradiction(
    description: dict[str, Any],
    normalization: Normalization,
    arguments: dict[str, Any],
    context: int = 0,
    ndim: int = 2,
    offsets: Sequence[Offset] = (),
    normalize: NormalizedBy = "model",
) -> str:
    """Return where the standard part says something else than the card; '' if nowhere.

    What a description leaves out whole, channels with names of the user's own and a mere
    conversion to floating point contradict nothing.

    Parameters
    ----------
    description : dict
        As `read_description` returns it.
    normalization, arguments, context : Normalization, dict, int
        What the card says.
    ndim : int, default 2
        Spatial axes of the network.
    offsets : sequence of tuple of int, optional
        Of affinities.
    normalize : {"model", "image", "percentiles"}
        As the card says.

    Returns
    -------
    str
        The first difference, naming both sides.
    """
    for place, there, entry, here in chain(
        _of_input(description, normalization, context, ndim, normalize),
        _of_output(description, arguments, ORDER_OF_AXES[ndim], offsets),
        _of_architecture(description, arguments),
    ):
        if there != here:
            says = f"{place} is {_cut(there)}"
            return f"{says}, but by config: utile: {entry} it is {_cut(here)}"
    return ""


def _of_input(
    description: dict[str, Any],
    normalization: Normalization,
    context: int,
    ndim: int,
    normalize: NormalizedBy,
) -> Iterator[Claim]:
    if not (image := _first(description.get("inputs"))):
        return
    yield "inputs: axes", _axes(image), "network", ORDER_OF_AXES[ndim]
    names = channel_axis("channel", len(normalization.mean), context)
    ours, fed = names["channel_names"], normalization.repeated(2 * context + 1)
    yield (
        "inputs: channel_names",
        _channels_in(image, ours, ()),
        "normalization",
        ", ".join(ours),
    )
    found = _steps(image.get("preprocessing"), len(ours))
    yield (
        "inputs: preprocessing",
        found,
        "normalization",
        _steps(feeding(fed, normalize, ndim), len(ours)),
    )


def _of_output(
    description: dict[str, Any],
    arguments: dict[str, Any],
    axes: str,
    offsets: Sequence[Offset],
) -> Iterator[Claim]:
    classes, maps = arguments.get("classes"), _first(description.get("outputs"))
    if not maps or not isinstance(classes, int) or classes < 1:
        return
    yield "outputs: axes", _axes(maps), "network", axes
    ours = class_axis(min(classes, 10_000), offsets)["channel_names"]
    kinds = ("background", "foreground")
    kinds = kinds if classes > 1 and not offsets else kinds[::-1]
    yield "outputs: channel_names", _channels_in(maps, ours, kinds), "network", ", ".join(ours)
    yield "outputs: postprocessing", _steps(maps.get("postprocessing"), 1), "network", "none"


def _of_architecture(description: dict[str, Any], arguments: dict[str, Any]) -> Iterator[Claim]:
    found: Any = description
    for key in ("weights", "pytorch_state_dict", "architecture", "kwargs"):
        found = found.get(key) if isinstance(found, dict) else None
    for name in {**arguments, **found} if isinstance(found, dict) else ():
        there, here = found.get(name), arguments.get(name)
        here = [*here] if isinstance(here, tuple) else here  # YAML has lists
        if there != here:
            place = f"architecture: kwargs: {_as_written(name)}"
            yield place, _as_written(there), "arguments", _as_written(here)


def _first(tensors: Any) -> dict[str, Any]:
    one = tensors[0] if isinstance(tensors, list) and tensors else None
    return one if isinstance(one, dict) else {}


def _axes(tensor: dict[str, Any]) -> str:
    axes = tensor.get("axes")
    if not isinstance(axes, list) or not all(isinstance(axis, dict) for axis in axes):
        return _as_written(axes)
    names = (axis.get("id" if axis.get("type") == "space" else "type") for axis in axes)
    return ", ".join(map(_as_written, names))


def _channels_in(tensor: dict[str, Any], ours: list[str], kinds: tuple[str, ...]) -> str:
    """Return the names of channels in words: `ours`, unless there are more or in other order.

    Of `kinds`, the first is that of the first channel.
    """
    axes = [axis for axis in tensor["axes"] if axis["type"] == "channel"]
    named = axes[0].get("channel_names")
    if not isinstance(named, list):
        return _as_written(named)
    names = [_as_written(name) for name in named]
    places = {name: place for place, name in enumerate(ours)} | dict.fromkeys(kinds[:1], 0)
    is_moved = any(places.get(name.lower(), i) != i for i, name in enumerate(names))
    is_same = len(names) == len(ours) and not is_moved and names[0].lower() not in kinds[1:]
    return ", ".join(ours if is_same else names)


def _steps(steps: Any, channels: int) -> str:
    """Return what is done to gray values or probabilities, in words; 'none' if nothing is."""
    if steps is not None and not isinstance(steps, list):
        return _as_written(steps)
    words = [_step(step, channels) for step in steps or ()]
    return ", ".join(filter(None, words)) or "none"


def _step(step: Any, channels: int) -> str:
    """Return one step in words; '' if it changes nothing."""
    kwargs = step.get("kwargs") if isinstance(step, dict) else None
    if not isinstance(kwargs, dict):
        return _as_written(step)
    kind = step.get("id", step.get("name"))
    if kind == "ensure_dtype" and kwargs.get("dtype") in ("float32", "float64"):
        return ""
    mean, std = (_of_each_channel(kwargs.get(name), channels) for name in ("mean", "std"))
    along = kwargs.get("axis") == "channel" or isinstance(kwargs.get("mean"), float | int)
    if kind != FEEDING or not mean or not std or not (along or channels == 1):
        return f"{_as_written(kind)} {_as_written(kwargs)}"
    if {*mean} == {0.0} and {*std} == {1.0}:
        return ""
    of_mean, of_std = (", ".join(f"{n:.7g}" for n in numbers) for numbers in (mean, std))
    return f"mean {of_mean} and std {of_std}"


def _of_each_channel(given: Any, channels: int) -> list[float]:
    """Return one number per channel; [] if they are something else."""
    numbers = given if isinstance(given, list) else [given] * channels
    good = all(isinstance(n, int | float) and abs(n) < 1e300 for n in numbers)
    return [float(n) for n in numbers] if good and len(numbers) == channels else []


def _as_written(value: Any) -> str:
    """Return what stands in a file, printable, and short however it is nested."""
    if isinstance(value, str) and value.isprintable():
        return value
    try:
        return short(value)
    except ValueError:  # a number of thousands of digits
        return "a number"


def _cut(text: str) -> str:
    return f"{text[:150]}..." if text[150:] else text
