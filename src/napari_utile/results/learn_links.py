"""Learn how objects are linked from a result and what somebody corrected in it.

Nothing is written: the caller decides where the costs go.
"""

from collections.abc import Generator
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import plane_objects
from napari_utile.arrays.instances.graph import GraphLinking
from napari_utile.arrays.instances.link_costs import EDGE, Edges, LinkCosts
from napari_utile.arrays.instances.link_learning import learnt_costs
from napari_utile.arrays.instances.linking import overlaps
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.errors import UserError
from napari_utile.events import BlockDone, Event, RunDone, RunStarted, Warned
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import open_zarr
from napari_utile.io.stack import Stack, check_holds_labels
from napari_utile.results.stored_probabilities import plan_of_instances
from napari_utile.settings.prediction import PredictSettings

SURE = 0.5
"""An object of a slice counts as the corrected object that covers more than this of it."""


def settings_of_instances(result: Path) -> PredictSettings:
    """Return the settings of a finished result of instances.

    Raises
    ------
    UserError
        If it is none, is unfinished, has objects of volumes, or is a TIFF, which holds no
        probabilities.
    """
    plan = plan_of_instances(result)
    if len(plan.get("tile", ())) != 2:
        raise UserError(f"{result} holds objects of volumes, which are not linked by slices.")
    return PredictSettings(**plan["settings"])


def learn_links(
    result: Path, corrected: str | Path, prior: LinkCosts
) -> Generator[Event, None, LinkCosts]:
    """Learn the costs by which a graph would join objects as somebody did.

    Parameters
    ----------
    result : Path
        A finished result of instances (.zarr).
    corrected : path
        Labels of its shape. Objects of slices on which there are none do not count.
    prior : LinkCosts
        What is kept where there is little to learn from.

    Yields
    ------
    RunStarted, BlockDone, Warned, RunDone

    Returns
    -------
    LinkCosts

    Raises
    ------
    UserError
        If `result` or `corrected` cannot be used, or nothing can be learnt.
    """
    started = monotonic()
    settings = settings_of_instances(result)
    likely, truth = open_zarr(result, "probabilities"), open_image(corrected)
    check_holds_labels(truth)
    if truth.shape != likely.shape:
        raise UserError(
            f"{corrected} has the shape {truth.shape} and {result} {likely.shape}: give the "
            "corrected labels of the whole result."
        )
    yield RunStarted(job="link", device="cpu", total=len(likely.indices))
    rule = ObjectRule(
        threshold=settings.threshold,
        min_size=settings.min_size,
        fill_holes=settings.fill_holes,
        method=settings.instance_method,
    )
    edges, is_one = yield from _answered(likely, truth, rule)
    costs, counts = learnt_costs(edges, is_one, prior)
    if not counts:
        raise UserError(
            f"{corrected} tells of {len(edges)} pairs of objects whether they are one, too few "
            "to learn from: correct more slices."
        )
    missing = {"next", "skip", "pair"} - counts.keys()
    names = {
        "next": "of neighbouring slices",
        "skip": "of next but one",
        "pair": "of one slice",
    }
    if missing:
        told = " and ".join(text for kind, text in names.items() if kind in missing)
        yield Warned(
            message=f"There are too few pairs of objects {told} to learn from: their costs are "
            "kept."
        )
    yield RunDone(seconds=monotonic() - started)
    return costs


def _answered(
    likely: Stack, truth: Stack, rule: ObjectRule
) -> Generator[Event, None, tuple[Edges, NDArray[np.bool_]]]:
    """Return the edges between objects that lie on corrected ones, and whether on the same."""
    graph, started = GraphLinking(rule.costs), monotonic()
    before: list[NDArray[np.uint32]] = []
    owners = [np.empty(0, np.int64)]
    found = [np.empty(0, EDGE)]
    indices = likely.indices
    for done, index in enumerate(indices, 1):
        here, objects = plane_objects(likely.plane(index)[0], rule)
        lower = index[-1] if index else 0
        graph.plane(
            objects.sizes,
            *(overlaps(before[-n], here) if lower >= n else None for n in (1, 2)),
        )
        owners.append(_corrected_owners(here, truth.plane(index)[0], objects.sizes))
        found.append(graph.take_edges())
        before = [*before[-1:], here]
        rate = done / max(monotonic() - started, 1e-9)
        left = (len(indices) - done) / rate
        yield BlockDone(
            stage="numbers", done=done, total=len(indices), image="", rate=rate,
            seconds_left=left,
        )  # fmt: skip
    graph.sets()
    edges, owner = np.concatenate([*found, graph.take_edges()]), np.concatenate(owners)
    below, above = owner[edges["below"]], owner[edges["above"]]
    is_known = (below > 0) & (above > 0)
    return edges[is_known], (below == above)[is_known]


def _corrected_owners(
    objects: NDArray[np.uint32], truth: NDArray[np.integer], sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each object the corrected one that covers most of it; 0 if none does."""
    ids, numbers = np.unique(truth, return_inverse=True)
    pairs, shared = overlaps(objects, numbers.reshape(truth.shape) + 1 - (ids[0] == 0))
    owner = np.zeros(len(sizes), np.int64)
    sure = shared > SURE * sizes[pairs[:, 0]]
    owner[pairs[sure, 0]] = ids[pairs[sure, 1] - (ids[0] != 0)].astype(np.int64)
    return owner[1:]
