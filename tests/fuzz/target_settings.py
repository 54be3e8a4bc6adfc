"""Files of settings: read for a command, for a run folder, and written as flags."""

import json
from pathlib import Path

from napari_utile.cli.compare import Compare
from napari_utile.cli.predict import Predict
from napari_utile.cli.train import Train
from napari_utile.errors import UserError
from napari_utile.settings.arrays import WeightSettings
from napari_utile.settings.coco import CocoSettings
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.process.command_line import flags

KIND = "json"
COMMANDS = {
    TrainSettings: (Train, {"image": "i", "labels": "l"}),
    CompareSettings: (Compare, {"image": "i", "labels": "l"}),
    PredictSettings: (Predict, {"image": ["i"], "model": "m"}),
}
OTHERS = (CocoSettings, EvaluateSettings, WeightSettings)


def seeds() -> list[bytes]:
    """Make files as runs hold them, older ones, and one in another notation."""
    kinds = [*COMMANDS, *OTHERS]
    texts = [kind().text() for kind in kinds]
    old = {"validation": 0.3, "validations": 5, "recipe": "paper", "minutes": 1.5}
    region = {"region": "0:1,2:3", "tile": 64, "objects": "components"}
    return [text.encode() for text in (*texts, json.dumps(old), json.dumps(region))]


def check(data: bytes, folder: Path) -> None:
    """Read a file in every way; it is refused if no class takes it."""
    path = folder / "settings.json"
    path.write_bytes(data)
    refusals = []
    for kind, (command_class, files) in COMMANDS.items():
        try:
            kind.read(path)
            command = command_class(out="o", settings=path, **files)
            assert kind(**command.options().model_dump()) == command.options()
            flags(command.options())
        except UserError as error:
            refusals.append(error)
    for kind in OTHERS:
        try:
            kind.read(path)
        except UserError as error:
            refusals.append(error)
    if len(refusals) == len(COMMANDS) + len(OTHERS):
        raise refusals[0]
