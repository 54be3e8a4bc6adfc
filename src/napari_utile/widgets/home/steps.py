"""The steps of the work: what each needs, and what comes next. No Qt."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from napari.layers import Image, Labels, Layer

from napari_utile.widgets.kit.paths import last_model
from napari_utile.widgets.layers.choice import is_choice


class StepNeed(Enum):
    """What a step cannot do without, and how the window calls it."""

    IMAGE = "an image"
    LABELS = "labels"
    MODEL = "a model"


@dataclass(frozen=True)
class WorkStep:
    """A step of the work.

    Attributes
    ----------
    title : str
        Of its tab.
    panel : str
        Its module and class.
    help : str
        What it is for.
    needs : tuple of StepNeed
    then : tuple of str
        Titles of the steps that may come next, the most usual first.
    paints : bool
        Whether labels are painted in it; in the others a drag moves the picture.
    """

    title: str
    panel: str
    help: str
    needs: tuple[StepNeed, ...] = ()
    then: tuple[str, ...] = ()
    paints: bool = False


STEPS = (
    WorkStep(
        "Data", "data.panel:DataPanel", "Open images, or a sample", then=("Label", "Train")
    ),
    WorkStep(
        "Label",
        "label.panel:LabelPanel",
        "Paint what the network shall find",
        (StepNeed.IMAGE,),
        ("Train",),
        paints=True,
    ),
    WorkStep(
        "Weight map",
        "weight_map.panel:WeightMapPanel",
        "See which pixels count how much in the loss",
        (StepNeed.LABELS,),
        ("Train",),
        paints=True,  # the map follows every stroke
    ),
    WorkStep(
        "Train",
        "train.panel:TrainPanel",
        "Teach a network to label as you do",
        (StepNeed.IMAGE, StepNeed.LABELS),
        ("Segment", "Runs"),
        paints=True,
    ),
    WorkStep(
        "Compare",
        "compare.panel:ComparePanel",
        "Train several networks on the same, and see which is best",
        (StepNeed.IMAGE, StepNeed.LABELS),
        ("Segment",),
    ),
    WorkStep(
        "Segment",
        "segment.panel:SegmentPanel",
        "Apply a model to images of any size",
        (StepNeed.IMAGE, StepNeed.MODEL),
        ("Measure", "Evaluate"),
    ),
    WorkStep(
        "Measure",
        "objects.panel:ObjectsPanel",
        "Measure every object of labels",
        (StepNeed.LABELS,),
        (),
    ),
    WorkStep(
        "Evaluate",
        "evaluate.panel:EvaluatePanel",
        "Compare a result with the truth",
        (StepNeed.LABELS,),
        ("Label", "Train"),
    ),
    WorkStep(
        "Runs",
        "runs.panel:RunsPanel",
        "Everything that runs or ran: show, stop, resume",
        (),
        (),
    ),
)
"""In the order of the tabs."""
GIVES = {StepNeed.IMAGE: "Data", StepNeed.LABELS: "Label", StepNeed.MODEL: "Train"}
"""The step that gives what is needed."""


def step_named(title: str) -> WorkStep:
    """Return the step of a title.

    Parameters
    ----------
    title : str
    """
    return next(step for step in STEPS if step.title == title)


def missing(
    step: WorkStep, layers: Iterable[Layer], is_of_files: bool = False
) -> list[StepNeed]:
    """Return what a step needs and is not there yet.

    Parameters
    ----------
    step : WorkStep
    layers : iterable of Layer
        Of the viewer.
    is_of_files : bool, default False
        Whether files are chosen in it: then no layer is needed.

    Returns
    -------
    list of StepNeed
    """
    layers = list(layers)

    def is_there(need: StepNeed) -> bool:
        match need:
            case StepNeed.IMAGE:
                return any(is_choice(layer, Image) for layer in layers)
            case StepNeed.LABELS:
                return any(is_choice(layer, Labels) for layer in layers)
        return last_model() is not None

    needs = [need for need in step.needs if not is_of_files or need is StepNeed.MODEL]
    return [need for need in needs if not is_there(need)]
