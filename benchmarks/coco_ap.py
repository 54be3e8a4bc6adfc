"""Time COCO AP from label images to the number, beside pycocotools, in one run.

    pip install faster-coco-eval
    python benchmarks/coco_ap.py

There are two cases: a pair of images of 2048 x 2048 px with 5,000 objects, and 30 slices of
512 x 512 px with 300 each; every predicted object has a score. The other libraries get their
own input: run lengths of each object, made by pycocotools' `encode` from a mask of the size of
the image. They compute coco_ap alone: one range of areas, one limit of detections, above the
number of objects. faster-coco-eval is left out if it is not installed.

pycocotools needs only the overlaps of objects, so U-Tile counts them in the labels, matches
only objects that overlap, and passes the matches to pycocotools' own `accumulate`. Times are
medians on one thread; the other libraries are run once, because they take minutes.
"""

import argparse
import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from matching import Labels, pair
from numpy.typing import NDArray
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_utile.metrics.coco.ap import coco_scores
from napari_utile.metrics.overlap import contingency

Slice = tuple[Labels, Labels, NDArray[np.float64]]
"""Truth, prediction, and a score of each predicted object in rising order of ids."""
Entries = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time COCO AP beside pycocotools.")
    parser.add_argument("--size", type=int, default=2048, help="side of the one image, px")
    parser.add_argument("--objects", type=int, default=5000, help="in the one image")
    parser.add_argument("--slices", type=int, default=30, help="of 512 x 512 px")
    parser.add_argument("--objects-per-slice", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5, help="of U-Tile")
    parser.add_argument("--peer-repeats", type=int, default=1)
    options = parser.parse_args()

    compare([scored(options.size, options.objects, 0)], options.repeats, options.peer_repeats)
    several = [scored(512, options.objects_per_slice, z) for z in range(options.slices)]
    compare(several, options.repeats, options.peer_repeats)


def compare(slices: list[Slice], repeats: int, peer_repeats: int) -> None:
    """Print the time of each step of one case, and the resulting scores."""
    (height, width), n = slices[0][0].shape, len(slices)
    objects = sum(np.unique(truth).size - 1 for truth, *_ in slices)
    print(f"\n{n} x {height} x {width} px, {objects:,} objects in all")
    print(f"{'':34}{'s':>9}{'/ U-Tile':>9}   coco_ap")

    ours(slices)  # compiles
    own, score = timed(lambda: ours(slices), repeats)
    print(f"{'labels to coco_ap, U-Tile':34}{own:9.3f}{1:9.1f}   {score:.9f}")

    encoding, entries = timed(lambda: encoded(slices), peer_repeats)
    print(f"{'run lengths by pycocotools.encode':34}{encoding:9.3f}{encoding / own:9.1f}")
    for name, peer in peers():
        seconds, theirs = timed(lambda peer=peer: peer(*entries), peer_repeats)
        assert abs(theirs - score) < 1e-6, f"{name} says {theirs}"
        for what, time in ((name, seconds), (f"{name}, with run lengths", seconds + encoding)):
            print(f"{what:34}{time:9.3f}{time / own:9.1f}   {theirs:.9f}")


def timed(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the median seconds of a function, and its result."""
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        result = work()
        seconds.append(perf_counter() - start)
    return median(seconds), result


def ours(slices: list[Slice]) -> float:
    tables = [contingency(prediction, truth) for truth, prediction, _ in slices]
    return coco_scores(tables, [scores for *_, scores in slices]).ap


def encoded(slices: list[Slice]) -> Entries:
    """Encode every object as run lengths, as in COCO's annotations and results."""
    truths, found = [], []
    for image, (truth, prediction, scores) in enumerate(slices):
        for rle in run_lengths(truth):
            own = {"id": len(truths) + 1, "iscrowd": 0, "area": float(mask.area(rle))}
            truths.append({**own, "image_id": image, "category_id": 1, "segmentation": rle})
        for rle, score in zip(run_lengths(prediction), scores, strict=True):
            place = {"image_id": image, "category_id": 1, "score": float(score)}
            found.append({**place, "segmentation": rle})
    return truths, found


def run_lengths(labels: Labels) -> Iterator[dict[str, Any]]:
    columns = np.asfortranarray(labels)  # once, and not for every object
    for id in np.unique(labels):
        if id:
            yield mask.encode((columns == id).view(np.uint8))


def by_pycocotools(truths: list[dict[str, Any]], found: list[dict[str, Any]]) -> float:
    return evaluated(COCO, COCOeval, truths, found)


def by_faster_coco_eval(truths: list[dict[str, Any]], found: list[dict[str, Any]]) -> float:
    import faster_coco_eval as faster

    return evaluated(faster.COCO, faster.COCOeval_faster, truths, found)


def evaluated(coco: Any, cocoeval: Any, truths: Any, found: Any) -> float:
    """Run an evaluation in COCO's form, for the mean over all thresholds alone."""
    with redirect_stdout(io.StringIO()):
        truth = coco()
        truth.dataset = {
            "images": [
                {"id": id, "height": 0, "width": 0} for id in {t["image_id"] for t in truths}
            ],
            "categories": [{"id": 1, "name": "cell"}],
            "annotations": [dict(entry) for entry in truths],
        }
        truth.createIndex()
        evaluation = cocoeval(truth, truth.loadRes([dict(entry) for entry in found]), "segm")
        evaluation.params.maxDets = [len(found)]
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"].mean())


def peers() -> Iterator[tuple[str, Callable[..., float]]]:
    yield "pycocotools", by_pycocotools
    try:
        import faster_coco_eval  # noqa: F401
    except ImportError:
        print("faster-coco-eval is not installed")
    else:
        yield "faster-coco-eval", by_faster_coco_eval


def scored(size: int, objects: int, seed: int) -> Slice:
    """Return two stacks of labels that differ by slice, and a score per predicted object."""
    truth, prediction = (np.roll(labels, 40 * seed, axis=0) for labels in pair(size, objects))
    found = np.unique(prediction[prediction > 0])
    return truth, prediction, np.random.default_rng(seed).random(found.size)


if __name__ == "__main__":
    main()
