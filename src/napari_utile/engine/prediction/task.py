"""One image, one model, one result: which blocks there are, and how one of them is made.

Any process that opens the same plan makes the same blocks, in any order. Who makes which
blocks, and when, is said elsewhere.
"""

from collections.abc import Generator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_utile import __version__
from napari_utile.arrays.blocks import Blocks
from napari_utile.arrays.tiling import Window
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.models.parameters import digest_of_weights
from napari_utile.engine.prediction.in_memory import Feed, check_channels, device_and_dtype
from napari_utile.engine.prediction.outputs import TIFF, Output, TiffOutput, form_of, output_for
from napari_utile.engine.prediction.region import part_of
from napari_utile.engine.prediction.tile_size import choose_tile
from napari_utile.engine.prediction.tiled import Plane, TiledNetwork
from napari_utile.errors import UserError
from napari_utile.events import Warned
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.disk import room_for
from napari_utile.io.fingerprints import fingerprint, image_change
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import provenance
from napari_utile.io.stack import Stack
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.settings import PredictSettings, option_differences

FORMAT = 1
"""Counts up when what older versions began can no longer be gone on with."""
MACHINE = {"device", "tile", "format", "precision"}
"""Settings that may change under a result: they say how it is computed, not what; the number
format that comes of the precision is compared by itself."""
OF_INSTANCES = {"min_size", "fill_holes", "instance_method", "linking", "link_iou"}
FINISHING = "finishing"
"""File by which one part tells the others that it puts the result together."""
NETWORK = "network"
"""The stage in which a block goes through the network."""


@dataclass(frozen=True)
class PredictionPlan:
    """What a result will be: the same plan gives the same bits.

    Attributes
    ----------
    model : str
        Digest of weights and normalization.
    image : dict
        Fingerprint of the pixels.
    settings : dict
        Of `PredictSettings`, as plain types.
    precision : str
        Number format of the convolutions.
    tile : (int, int)
        Height and width of a block. Chosen once: another would move the last bits.
    model_path, image_path : str
        Where they were found.
    """

    model: str
    image: dict[str, Any]
    settings: dict[str, Any]
    precision: str
    tile: tuple[int, ...]
    model_path: str
    image_path: str
    version: str = __version__
    format: int = FORMAT

    @classmethod
    def of(
        cls, model: Model, model_path: Path | str, stack: Stack, how: PredictSettings
    ) -> Self:
        """Plan the segmentation of a stack."""
        device, dtype = device_and_dtype(how)
        _, shape = part_of(stack, how.region)
        if shape == stack.shape:  # the whole, spelled out
            how = how.model_copy(update={"region": None})
        asked = None if how.tile == "auto" else (how.tile, how.tile)
        tile = choose_tile(model.network, (shape[-2], shape[-1]), device, dtype, asked)
        return cls(
            model=digest_of_model(model),
            image=fingerprint(stack),
            settings=how.model_dump(mode="json"),
            precision=str(dtype or "float32").removeprefix("torch."),
            tile=tile,
            model_path=str(Path(model_path).absolute()),
            image_path=str(stack.path.absolute()) if stack.path else stack.source,
        )

    @classmethod
    def read(cls, plan: dict[str, Any]) -> Self | None:
        """Take a plan from a file; None if there is none that this version understands."""
        if plan.get("format") != FORMAT:
            return None
        try:
            PredictSettings(**plan["settings"])
            return cls(**plan | {"tile": tuple(plan["tile"])})
        except (TypeError, KeyError, ValidationError):
            return None

    def as_dict(self) -> dict[str, Any]:
        """Give plain types, for a file."""
        return asdict(self)

    def differences(self, here: "PredictionPlan") -> list[str]:
        """Say in what another plan differs from this one, which is "there"."""
        words = [] if self.model == here.model else ["the model is another"]
        if changed := image_change(self.image, here.image):
            words.append(f"the image: {changed}")
        # options since added
        settings = PredictSettings(**self.settings).model_dump(mode="json")
        words += option_differences(settings, here.settings, without_influence(here.settings))
        words += option_differences(
            {"precision": self.precision}, {"precision": here.precision}
        )
        return words


def without_influence(settings: dict[str, Any]) -> set[str]:
    """Name the settings that change no bit of what these settings ask for."""
    names = set(MACHINE)
    if settings["output"] != "instances":
        names |= OF_INSTANCES
    else:
        names |= {"dtype"} | ({"link_iou"} if settings["linking"] != "overlap" else set())
    if settings["output"] == "probabilities":
        names |= {"threshold"}
    return names


class PredictionTask:
    """One image on its way to one result.

    Attributes
    ----------
    model, stack, settings, plan
        What is segmented, by what and how.
    blocks : Blocks
        The result in its blocks.
    work : WorkFolder
        Plan and journal beside the result.
    output : Output
        Where the blocks go.
    network : TiledNetwork
        What computes them.
    """

    def __init__(self, model: Model, stack: Stack, result: Path, plan: PredictionPlan):
        self.model, self.stack, self.result, self.plan = model, stack, result, plan
        self.settings = PredictSettings(**plan.settings)
        self.work = WorkFolder(result)
        self.cut(plan.tile)
        self._feeds: dict[int, Feed] = {}
        self._complaints: list[str] = []
        self._lock = Lock()

    def cut(self, tile: tuple[int, ...]) -> None:
        """Cut the result into blocks of that size, as it was begun."""
        self.plan = replace(self.plan, tile=tile)
        starts, shape = part_of(self.stack, self.settings.region)
        self.blocks = Blocks(starts, shape, tile)
        form = form_of(
            self.stack, self.blocks, self.settings, self.model.classes, self.model.ids
        )
        self.output: Output = output_for(self.result, form, self.work)

    @property
    def name(self) -> str:
        """What events and messages call it."""
        return self.stack.name

    @property
    def links(self) -> Path:
        """The table of what became one through the slices."""
        return self.result.with_name(f"{self.result.name}.links.csv")

    def connect(self, device: str | None = None) -> None:
        """Bring the network to its device."""
        settings = self.settings
        if device is not None:
            settings = settings.model_copy(update={"device": device})
        self.network = TiledNetwork(self.model.network, *device_and_dtype(settings))

    def begin(self) -> None:
        """Begin anew, in place of whatever is there."""
        self.work.begin(self.plan.as_dict())
        self.links.unlink(missing_ok=True)
        self.output.create()
        journal = self.work.journal()
        journal.write("begin", [0])
        journal.close()

    def go_on(self) -> None:
        """Open what was begun; make it if that is as far as it came, or it was removed."""
        if self.output.exists and self.work.done("begin", 1).all():
            self.output.open()
        else:
            self.begin()

    def complete(self, facts: dict[str, Any]) -> None:
        """Say that nothing is missing, and remove what only the making needed."""
        finished = facts | {"plan": self.plan.as_dict()}
        if isinstance(self.output, TiffOutput):  # it has no room for this
            self.work.finish(finished, of=self.output.partial)
        self.output.complete(finished)
        with suppress(OSError):  # a file that is open cannot be removed from some network disks
            self.work.clear()

    def discard(self) -> None:
        """Remove all that was made."""
        self.output.remove()
        self.work.clear()

    def read(self, number: int) -> Plane:
        """Read the pixels of a block and around it; the plane that comes back has them."""
        block = self.blocks[number]
        index, window = self.blocks.source(block)
        with self._lock:
            for old in [plane for plane in self._feeds if plane < block.plane - 1]:
                del self._feeds[old]
            if block.plane not in self._feeds:
                feed = Feed(self.stack, index, self.model.normalization)
                self._feeds[block.plane] = feed
            feed = self._feeds[block.plane]
        heard = feed.accidents
        plane = read_ahead(feed.plane, window, self.network)
        if feed.accidents and not heard:
            self._complaints.append(feed.complaint())
        return plane

    def compute(
        self, number: int, plane: Plane
    ) -> Generator[Warned, None, NDArray[np.float32]]:
        """Compute the probabilities (K, Y, X) of a block that was read."""
        _, window = self.blocks.source(self.blocks[number])
        with self._lock:
            complaints, self._complaints = self._complaints, []
        for complaint in complaints:
            yield Warned(message=complaint)
        run = partial(self.network.probabilities, plane, averaging=self.settings.averaging)
        return (yield from self.network.within_memory(run, window))

    @property
    def is_current(self) -> bool:
        """Whether the plan beside the result is still this one."""
        return PredictionPlan.read(self.work.plan) == self.plan

    def announce_the_end(self) -> None:
        """Let other parts know that this process puts the result together."""
        (self.work / FINISHING).touch()

    @property
    def is_being_finished(self) -> bool:
        """Whether a process has begun to put the result together."""
        return (self.work / FINISHING).exists() or not self.is_current

    def write(self, number: int, probabilities: NDArray[np.float32]) -> None:
        """Write a block; it is on disk when this returns."""
        with room_for(self.result):
            self.output.put(self.blocks[number], probabilities)


def read_ahead(plane: Plane, window: Window, network: TiledNetwork) -> Plane:
    """Read now what a window of a plane needs; nobody waits for it later.

    What is needed beyond is read when it is asked for.
    """

    written = tuple(side.stop - side.start for side in window)
    reach = [n - m for n, m in zip(network.network.input_size(written), written, strict=True)]
    held = tuple(
        slice(max(side.start - beyond, 0), min(side.stop + beyond, size))
        for side, beyond, size in zip(window, reach, plane.shape, strict=True)
    )
    pixels = plane.read(*held)

    def read(*asked: slice) -> NDArray[np.float32]:
        sides = list(zip(asked, held, strict=True))
        if any(a.start < h.start or a.stop > h.stop for a, h in sides):
            return plane.read(*asked)
        inside: Any = (slice(a.start - h.start, a.stop - h.start) for a, h in sides)
        return pixels[(..., *inside)]

    return Plane(plane.shape, read)


def planned(
    model: Model, model_path: Path | str, image: Path | str, result: Path, how: PredictSettings
) -> PredictionTask:
    """Open an image and plan its segmentation; nothing is computed or written.

    Raises
    ------
    UserError
        If it cannot be read, has other channels than the model takes, or not the region.
    """
    stack = open_image(image)
    check_channels(model, stack)
    return PredictionTask(
        model, stack, result, PredictionPlan.of(model, model_path, stack, how)
    )


def reopened(result: Path, device: str | None = None) -> PredictionTask:
    """Open a result that another process has begun, to help with its blocks."""
    plan = PredictionPlan.read(WorkFolder(result).plan)
    if plan is None:
        raise UserError(f"{result} is not being made: it has no plan beside it.")
    made = PredictionTask(
        load_model(plan.model_path), open_image(plan.image_path), result, plan
    )
    made.output.open()
    made.connect(device)
    return made


def finished_plan(result: Path) -> PredictionPlan | None:
    """Find the plan by which a complete result was made; None if there is none."""
    return PredictionPlan.read(finished_facts(result).get("plan", {}))


def finished_facts(result: Path) -> dict[str, Any]:
    """Read what is known of a complete result; empty if it is none."""
    if result.suffix.lower() in TIFF:
        return WorkFolder(result).finished if result.exists() else {}
    facts = provenance(result) if is_zarr(result) else {}
    return facts if facts.get("complete") else {}


def digest_of_model(model: Model) -> str:
    """Compute the BLAKE2 digest of all that a model's probabilities depend on."""
    facts = f"{model.normalization} {model.ids} {type(model.network).__name__} "
    facts += str(getattr(model.network, "arguments", ""))
    digest = blake2b(facts.encode(), digest_size=16)
    digest.update(digest_of_weights(model.network.state_dict()).encode())
    return digest.hexdigest()
