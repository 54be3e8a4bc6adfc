"""What can be looked at before training: tiles and the split, and how long it will take."""

from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

from napari.viewer import Viewer

from napari_utile.events import Event, RunDone, RunStarted
from napari_utile.folders.places import unused
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.background import Work
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.layers.samples import SampleLayers
from napari_utile.widgets.process.command_line import flags
from napari_utile.widgets.train.source import TrainingSource
from napari_utile.widgets.train.words import estimate_text


class BeforeTraining:
    """Two buttons beside that of a training, whose work is not kept.

    Parameters
    ----------
    viewer : Viewer
        Where tiles are shown.
    source : TrainingSource
    form : Form
    controls : EngineControls
        To which the buttons are added.

    Attributes
    ----------
    look, estimate : QPushButton
    samples : SampleLayers or None
        The tiles that are shown.
    """

    def __init__(
        self,
        viewer: Viewer,
        source: TrainingSource,
        form: Form[TrainSettings],
        controls: EngineControls,
    ):
        self._viewer, self._source, self._form = viewer, source, form
        self._messages = controls.messages
        self.samples: SampleLayers | None = None
        self._next: tuple[SampleLayers, Path]
        self._files: TemporaryDirectory[str] | None = None  # copies, removed with the panel
        self.look = controls.add_button(
            "Preview",
            "Show training tiles, where they are drawn, and the split: "
            "blue to train on, orange for validation",
            self._collect_samples,
            self._show_samples,
        )
        self.estimate = controls.add_button(
            "Estimate",
            "Show how long it takes, by a few steps that are not kept; of a stack, also how "
            "long with a network of volumes, or of slices",
            self._collect_estimate,
            self._show_estimate,
        )

    def _collect_samples(self) -> Work:
        """Take the same as for a run."""
        pair, settings, folder = self._source.pair, self._form.settings(), self._temporary()
        taken, out = pair.taken(), unused(folder / "samples")
        layers = SampleLayers(self._viewer, pair.image.layer, taken.labels.shape)
        self._next = layers, out

        def write() -> Generator[None, None, list[str]]:
            paths = yield from taken.written(folder / "inputs")
            return ["preview", *paths, "--out", str(out), *flags(settings)]

        return write

    def _show_samples(self, event: Event) -> None:
        if isinstance(event, RunDone) and not event.stopped:
            layers, out = self._next
            layers.show(out, old=self.samples)
            self.samples = layers

    def _collect_estimate(self) -> Work:
        """Take the same as for a run."""
        inputs, settings, folder = (
            self._source.taken(),
            self._form.settings(),
            self._temporary(),
        )

        def write() -> Generator[None, None, list[str]]:
            paths = yield from inputs.written(folder / "inputs")
            out = str(folder / "run")  # is not written to
            return ["train", *paths, "--out", out, *flags(settings), "--dry-run"]

        return write

    def _show_estimate(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._messages.add(estimate_text(event.facts))

    def _temporary(self) -> Path:
        """Return a folder that is removed with the panel."""
        self._files = self._files or TemporaryDirectory(ignore_cleanup_errors=True)
        return Path(self._files.name)
