"""Types of the public names, which `__init__.py` loads when they are first used."""

from napari_utile import networks as networks
from napari_utile.arrays.instances.decoding import instances as instances
from napari_utile.arrays.weight_maps.weight_map import weight_map as weight_map
from napari_utile.engine.comparison.front import compare as compare
from napari_utile.engine.models.model import Model as Model
from napari_utile.engine.models.model import load_model as load_model
from napari_utile.engine.prediction.front import predict as predict
from napari_utile.engine.training.front import train as train
from napari_utile.errors import EngineError as EngineError
from napari_utile.errors import UserError as UserError
from napari_utile.evaluation import evaluate as evaluate
from napari_utile.results.objects import objects_table as objects_table
from napari_utile.settings.prediction import PredictSettings as PredictSettings
from napari_utile.settings.training import TrainSettings as TrainSettings

__version__: str
