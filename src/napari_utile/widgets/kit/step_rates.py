"""Steps of a training that this machine takes in a minute: measured once, and kept. No Qt."""

import json
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from napari_utile.errors import UserError
from napari_utile.io.disk import atomic_write
from napari_utile.io.images import write_tiff
from napari_utile.io.stack import Stack
from napari_utile.io.units import counted, duration_text
from napari_utile.json_files import read_json
from napari_utile.settings.options import axes_seen
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.paths import rates_file

USUAL_MINUTES = 5.0
"""Budget of a training that the window proposes."""
SHARE_OF_STEPS = 0.85
"""Of the minutes of a run that its steps take: the rest is its start, validations, previews."""
FEW_STEPS = 200
"""Fewer teach a network next to nothing."""
SMALL_WIDTH = 8
"""Of a network; one that is smaller still learns little."""
COSTLY = (
    "network",
    "context",
    "depth",
    "width",
    "padding",
    "norm",
    "spacing",
    "output",
    "target",
    "tile",
    "batch",
    "optimizer",
    "loss",
    "deformed",
    "elastic",
    "device",
    "precision",
)
"""Options that decide how long a step takes."""
MOST_SLICES, SIDES_OF_TILE = 64, 2
"""Size of the sample that is trained on: slices of a volume, and tiles along each side."""


@dataclass(frozen=True)
class Pace:
    """What is trained, as far as it decides how long a step takes.

    Attributes
    ----------
    settings : TrainSettings
    channels : int
        Of the image.
    shape : tuple of int
        (Y, X) or (Z, Y, X); larger images take no longer than what is kept of it.
    scale : tuple of float
        Size of a pixel along these axes.
    """

    settings: TrainSettings
    channels: int
    shape: tuple[int, ...]
    scale: tuple[float, ...]

    @classmethod
    def of(cls, settings: TrainSettings, image: Stack) -> "Pace":
        """Return that of a training on an image and others like it."""
        most = SIDES_OF_TILE * settings.tile
        *slices, height, width = image.shape[-3:]
        sees_volumes = axes_seen(settings.network) == 3
        few = MOST_SLICES if sees_volumes else 4 + 4 * settings.context
        shape = (*(min(n, few) for n in slices), min(height, most), min(width, most))
        return cls(settings, image.channels, shape, image.scale[-len(shape) :])

    @property
    def key(self) -> str:
        """Name of the rate: the same for all that takes the same time."""
        found = {name: getattr(self.settings, name) for name in COSTLY}
        ratios = [round(side / self.scale[-1], 3) for side in self.scale]
        text = json.dumps([found, self.channels, self.shape, ratios], default=str)
        return blake2b(text.encode(), digest_size=12).hexdigest()

    def write_sample(self, folder: Path) -> list[str]:
        """Write noise and squares of this size; return their paths."""
        random = np.random.default_rng(0)
        labels = np.zeros(self.shape, np.uint8)
        y, x = np.ogrid[: self.shape[-2], : self.shape[-1]]
        labels[..., (y % 16 < 12) & (x % 16 < 12)] = 1
        if self.settings.sparse:
            labels += 1
        shape = self.shape if self.channels == 1 else (self.channels, *self.shape)
        pixels = random.integers(0, 255, shape, np.uint8)
        like = Stack(labels, "zyx"[-labels.ndim :], scale=self.scale)
        paths = folder / "image.tif", folder / "labels.tif"
        for path, array in zip(paths, (pixels, labels), strict=True):
            write_tiff(path, array, like=like)
        return [str(path) for path in paths]


def known_rate(pace: Pace) -> float | None:
    """Return the steps a minute that were measured on this machine, or None."""
    found = _rates().get(_machine(), {}).get(pace.key)
    return found if isinstance(found, int | float) and found > 0 else None


def keep_rate(pace: Pace, rate: float) -> None:
    """Keep steps a minute that were measured on this machine."""
    rates = _rates()
    rates.setdefault(_machine(), {})[pace.key] = rate
    with suppress(OSError, UserError):  # it is measured again
        rates_file().parent.mkdir(parents=True, exist_ok=True)
        atomic_write(rates_file(), json.dumps(rates, indent=1).encode())


def _machine() -> str:
    return f"{platform.node()} {platform.machine()} {os.cpu_count()}"


def _rates() -> dict[str, dict[str, float]]:
    """Read all rates; those of a damaged file are measured again."""
    with suppress(OSError, UserError):
        found = read_json(rates_file())
        if isinstance(found, dict) and all(isinstance(each, dict) for each in found.values()):
            return found
    return {}


def pace_text(rate: float, minutes: float | None, steps: int | None) -> str:
    """Return what a budget comes to at so many steps a minute.

    Parameters
    ----------
    rate : float
        Steps a minute.
    minutes, steps : float, int or None
        The budget; one of them at least.

    Examples
    --------
    >>> pace_text(55, 5, None)
    'About 55 steps a minute here: 5 minutes are about 275 steps.'
    >>> pace_text(55, 1, None)
    'About 55 steps a minute here: 1 minute is about 55 steps.'
    >>> pace_text(55, None, 2000)
    'About 55 steps a minute here: 2,000 steps take about 36 min.'
    >>> pace_text(55, 5, 100)
    'About 55 steps a minute here: 100 steps take about 1 min 49 s.'
    >>> pace_text(1, 1, None)
    'About 1 step a minute here: 1 minute is about 1 step.'
    """
    rounded = float(f"{rate:.2g}") if rate < 10 else round(rate)
    told = f"About {counted(rounded, 'steps')} a minute here"
    if steps and (not minutes or steps <= minutes * rate):
        take = "1 step takes" if steps == 1 else f"{steps:,} steps take"
        return f"{told}: {take} about {duration_text(60 * steps / rate)}."
    assert minutes
    are = "minute is" if minutes == 1 else "minutes are"
    return f"{told}: {minutes:g} {are} about {counted(round(minutes * rate), 'steps')}."


def steps_within(rate: float, minutes: float | None, steps: int | None) -> float:
    """Return the steps that a budget has, in whichever way it is used up first.

    Examples
    --------
    >>> steps_within(55, 5, None), steps_within(55, None, 2000), steps_within(55, 5, 100)
    (275, 2000, 100)
    """
    by_clock = minutes * rate if minutes else float("inf")
    return min(by_clock, steps or float("inf"))


def few_steps_warning(
    rate: float, minutes: float | None, steps: int | None, width: int = SMALL_WIDTH
) -> str:
    """Return a warning of a budget that is too small, with what helps, or ''.

    Examples
    --------
    >>> few_steps_warning(55, 1, None)
    'A network needs hundreds of steps: train 4 minutes or longer.'
    >>> few_steps_warning(55, 1, None, 16)[-42:]
    'longer, or set a smaller width in Network.'
    >>> few_steps_warning(55, 5, None)
    ''
    """
    if steps_within(rate, minutes, steps) >= FEW_STEPS:
        return ""
    needed = max(1, -(-FEW_STEPS // rate))
    longer = f"train {needed:g} minutes or longer" if needed > 1 else "train longer"
    narrower = ", or set a smaller width in Network" if width > SMALL_WIDTH else ""
    return f"A network needs hundreds of steps: {longer}{narrower}."
