"""Previews of the slice that somebody looks at while a network learns.

They take a small share of the time, and change nothing of the training.
"""

from collections.abc import Sequence
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import foreground_probability
from napari_utile.arrays.instances.offsets import class_maps
from napari_utile.arrays.splits import Region
from napari_utile.engine.prediction.in_memory import logits, probabilities
from napari_utile.engine.training.data.preparation import SeenImage
from napari_utile.engine.training.setup import TrainingSetup
from napari_utile.errors import UserError
from napari_utile.events import PreviewReady
from napari_utile.folders.looked_at import LookedAt
from napari_utile.folders.run import Run
from napari_utile.io.images import stem_of, write_tiff
from napari_utile.io.stack import Stack
from napari_utile.networks.tileable import Network, activation_of
from napari_utile.settings.options import axes_seen

SHARE, SHARE_ELSEWHERE = 0.1, 0.3
"""Share of the time that previews take, and of the time since one of another slice."""
FIRST, LEAST = 2.0, 1.0
"""Seconds before the first preview, and least between two looks at what is looked at."""
MOST_SECONDS = 4.0
"""For one preview: of a slice that takes longer, a part is shown."""
FIRST_SIDE, LEAST_SIDE = 512, 64
"""Sides of the part that is shown at first and at least, px."""
DEPTH = 17
"""Slices around the one that is looked at of which a network of volumes sees it."""
KEPT = 3
"""Previews that stay on disk: a window may be about to read one."""


class Viewing:
    """Predicts what is looked at, every now and then.

    Parameters
    ----------
    setup : TrainingSetup
        Of the run.
    images : sequence of Stack
        All that it was given.
    run : Run
        Folder in which somebody says what they look at, and where previews are written.
    """

    def __init__(self, setup: TrainingSetup, images: Sequence[Stack], run: Run):
        self.setup, self.run = setup, run
        self.images = images
        self._next = monotonic() + FIRST
        self._next_elsewhere = self._next
        self._seconds_per_pixel = 0.0
        self._shown: LookedAt | None = None

    def preview(self, network: Network, device: torch.device, step: int) -> PreviewReady | None:
        """Predict what is looked at if it is time to; None if it is not, or nobody looks.

        Parameters
        ----------
        network : nn.Module
            As it is now; its mode stays as it is.
        device : torch.device
            Where the network is.
        step : int
            Steps taken so far.
        """
        now = monotonic()
        if now < min(self._next, self._next_elsewhere):
            return None
        view = LookedAt.read(self.run.view)
        is_due = now >= (self._next if view == self._shown else self._next_elsewhere)
        if view is None or not is_due:
            self._next_elsewhere = max(self._next_elsewhere, now + LEAST)
            return None
        self._shown = view
        is_training = network.training
        network.eval()
        try:
            return self._predict(network, device, step, view)
        except UserError:  # pixels that are not finite, or are all the same
            return None
        finally:
            network.train(is_training)
            took = monotonic() - now
            self._next = now + max(LEAST, took / SHARE)
            self._next_elsewhere = now + max(LEAST, took / SHARE_ELSEWHERE)

    def _predict(
        self, network: Network, device: torch.device, step: int, view: LookedAt
    ) -> PreviewReady | None:
        """Predict and write the slice, or as much of it as there is time for."""
        number = self._number_of(view)
        if number is None:
            return None
        began = monotonic()
        region, place = self._region(number, view)
        seen = SeenImage(self.images[number], self.setup.settings.context)
        pixels = seen.read(region, self.setup.data.fed[number])
        found = logits(network, pixels, device=device, on_event=lambda _: None)
        maps = class_maps(probabilities(found, activation_of(network)), self.setup.data.offsets)
        foreground = foreground_probability(maps)
        self._seconds_per_pixel = (monotonic() - began) / foreground.size
        if foreground.ndim == 3:
            foreground = foreground[place]
        return self._written(foreground, step, view, region)

    def _number_of(self, view: LookedAt) -> int | None:
        """Return the number of the image that is looked at; None if there is no such slice."""
        names = [image.name for image in self.images]
        found = [
            number
            for number, name in enumerate(names)
            if len(names) == 1 or view.image in (name, stem_of(name))
        ]
        for number in found:
            slices = self.images[number].shape[:-2]
            if len(slices) == len(view.index) and all(
                0 <= i < count for i, count in zip(view.index, slices, strict=True)
            ):
                return number
        return None

    def _region(self, number: int, view: LookedAt) -> tuple[Region, int]:
        """Return what is predicted, and the place of the slice in it if it is a volume."""
        height, width = self.images[number].shape[-2:]
        y, x = view.center or (height // 2, width // 2)
        is_volume = axes_seen(self.setup.settings.network) == 3
        index, depth, place = view.index, 1, 0
        window: tuple[slice, ...] = ()
        if is_volume:
            *outer, z = view.index
            slices = self.images[number].shape[-3]
            first = max(0, min(z - DEPTH // 2, slices - DEPTH))
            depth = min(DEPTH, slices)
            index, window, place = tuple(outer), (slice(first, first + depth),), z - first
        side = self._side(depth)
        window += (_around(y, side, height), _around(x, side, width))
        return Region(number, index, window), place

    def _side(self, depth: int) -> int:
        """Return the side of the largest square that there is time for."""
        if not self._seconds_per_pixel:
            return max(LEAST_SIDE, round(FIRST_SIDE / depth**0.5))
        pixels = MOST_SECONDS / self._seconds_per_pixel / depth
        return max(LEAST_SIDE, int(pixels**0.5))

    def _written(
        self, foreground: NDArray[np.float32], step: int, view: LookedAt, region: Region
    ) -> PreviewReady:
        path = self.run.previews / f"view_{step:06}.tif"
        write_tiff(path, foreground, holds="probabilities")
        for old in sorted(self.run.previews.glob("view_*.tif"))[:-KEPT]:
            old.unlink(missing_ok=True)
        *_, rows, columns = region.window
        return PreviewReady(
            path=str(path),
            step=step,
            index=view.index,
            origin=(rows.start, columns.start),
            kind="view",
            image=self.images[region.image].name,
        )


def _around(center: int, side: int, length: int) -> slice:
    """Return as many of `length` pixels around one as there are, at most `side`."""
    start = max(0, min(center - side // 2, length - side))
    return slice(start, min(start + side, length))
