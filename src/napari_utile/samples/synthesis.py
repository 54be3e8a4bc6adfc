"""A synthetic stack of nerve tissue with its truth, as in serial-section electron microscopy.

Neurites are the cells of a power diagram, a Voronoi diagram of circles of different sizes.
Their centers drift, and the plane is deformed, a little more with each section. What makes real
stacks hard to follow is added on request: branches, jitter, uneven contrast, ruined sections.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label
from scipy.spatial import cKDTree

from napari_utile.errors import UserError
from napari_utile.settings.arrays import SAMPLE_DEFAULTS

FloatPlane = NDArray[np.float32]

MEMBRANE = 2.5
"""Half the thickness of a membrane, in pixels: at 4 nm per pixel some 20 nm in all."""


RUINS = ("blank", "shifted", "burnt")
"""Kinds of ruined sections."""


def synthetic_stack(
    shape: tuple[int, int, int] = (8, 256, 256),
    seed: int = SAMPLE_DEFAULTS.seed,
    branches: float = SAMPLE_DEFAULTS.branches,
    jitter: float = SAMPLE_DEFAULTS.jitter,
    contrast: float = SAMPLE_DEFAULTS.contrast,
    ruined: int = SAMPLE_DEFAULTS.ruined,
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Draw an image that looks like ssTEM of neuropil, and the neurites in it.

    Parameters
    ----------
    shape : (Z, Y, X)
        Of the stack. A pixel stands for 4 nm, a section for 50 nm.
    seed : int, default 0
        The same seed gives the same stack.
    branches : float, default 0
        Fraction of the neurites that branch, 0 to 1: two profiles of a section that are one
        in the sections before, or after.
    jitter : float, default 0
        Standard deviation of the shift of each section, in pixels.
    contrast : float, default 0
        Standard deviation of the contrast of the sections, as a fraction, and of their
        brightness.
    ruined : int, default 0
        Number of sections that are blank, shifted or burnt, in turn; never the first or the
        last, nor neighbours. Their truth is that of the tissue.

    Returns
    -------
    image : ndarray of uint8, shape (Z, Y, X)
        Dark membranes, gray cytoplasm with vesicles and microtubules, mitochondria, noise.
    instances : ndarray of uint16, shape (Z, Y, X)
        0 is membrane. A neurite keeps its id through all sections and branches.

    Raises
    ------
    UserError
        If fewer than three sections come to each that is ruined.

    Examples
    --------
    >>> image, instances = synthetic_stack((2, 64, 64), seed=1)
    >>> bool(image[instances == 0].mean() < image[instances > 0].mean())
    True
    """
    rng = np.random.default_rng(seed)
    sections, plane = shape[0], shape[1:]
    tissue = Tissue(plane, rng)
    # What is added draws from generators of its own: the rest stays as it is without it.
    branching, placing, lighting, ruining = (np.random.default_rng([seed, n]) for n in range(4))
    tissue.branch(branches, sections, branching)
    places = placing.normal(0, jitter, (sections, 2)) if jitter else np.zeros((sections, 2))
    kinds = _ruined_sections(ruined, sections, ruining)
    image = np.empty(shape, np.uint8)
    instances = np.empty(shape, np.uint16)
    for z in range(sections):
        owners, edge, shift = tissue.section(z, places[z])
        clean = tissue.shade(z, owners, edge, shift, rng)
        if contrast:
            gain, offset = 1 + contrast * lighting.standard_normal(2)
            clean = (clean - 128) * max(gain, 0.1) + 128 * offset
        image[z] = _expose(clean, rng)
        if z in kinds:
            image[z] = _ruin(image[z], kinds[z], ruining)
        instances[z] = tissue.neurites(owners)
    return image, instances


class Branch(NamedTuple):
    """Two cells of a neurite, which are one profile on one side of a section."""

    stem: int
    other: int
    section: int
    is_one_below: bool

    def is_one(self, z: int) -> bool:
        """Whether the two are one profile in a section."""
        return (z < self.section) == self.is_one_below


class Tissue:
    """The neurites of a stack: their course and their organelles."""

    def __init__(self, plane: tuple[int, ...], rng: np.random.Generator):
        self.plane = plane
        area = (plane[0] + 80) * (plane[1] + 80)
        count = max(8, area // 1700)
        self.start = rng.uniform(-40, np.add(plane, 40), (count, 2))
        self.drift = rng.normal(0, 1.3, (count, 2))
        self.radius = 14 * rng.lognormal(0, 0.55, count).clip(0.4, 3.2)
        self.gray = rng.normal(152, 9, count)
        self.bends = [
            [_smooth(plane, 34, rng) * 12 + _smooth(plane, 9, rng) * 1.6 for _ in "yx"]
            for _ in "ab"
        ]
        # Mitochondria lie in the thicker neurites, over some of the sections.
        self.has_mitochondrion = (self.radius > 17) & (rng.random(count) < 0.6)
        self.offset = rng.uniform(-0.3, 0.3, (count, 2)) * self.radius[:, None]
        self.angle = rng.uniform(0, np.pi, count)
        self.middle = rng.uniform(-4, 14, count)
        self.branches: list[Branch] = []

    def branch(self, share: float, sections: int, rng: np.random.Generator) -> None:
        """Make a share of the cells branch: each has the nearest free cell as its branch."""
        count = len(self.start)
        free, wanted = set(range(count)), round(share * count / 2)
        for stem in rng.permutation(count).tolist() if wanted and sections > 1 else ():
            section = int(rng.integers(1, sections))
            at = self.start + section * self.drift
            near = np.argsort(((at - at[stem]) ** 2).sum(1))[1:4].tolist()
            others = [other for other in near if other in free]
            if stem in free and others and len(self.branches) < wanted:
                found = Branch(stem, others[0], section, bool(rng.random() < 0.5))
                self.branches.append(found)
                free -= {found.stem, found.other}

    def neurites(self, owners: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Return the neurites that cells belong to; 0 stays 0."""
        neurite = np.arange(len(self.start) + 1, dtype=np.uint16)
        for branch in self.branches:
            neurite[branch.other + 1] = branch.stem + 1
        return neurite[owners]

    def section(
        self, z: int, place: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint16], FloatPlane, NDArray[np.float64]]:
        """Return cells, distance to the nearest membrane, and deformed coordinates at z.

        Two cells that are one profile here are the first of them. `place` is where the section
        lies beside its place, (y, x) in pixels.
        """
        turn = 0.12 * z
        y, x = np.mgrid[: self.plane[0], : self.plane[1]].astype(np.float64)
        y, x = y + place[0], x + place[1]
        (ay, ax), (by, bx) = self.bends
        y += np.cos(turn) * ay + np.sin(turn) * by
        x += np.cos(turn) * ax + np.sin(turn) * bx
        bent = np.stack([y, x], axis=-1)
        # A power diagram is a nearest-neighbor diagram of points lifted above the plane [1].
        # [1] Aurenhammer, "Power diagrams", SIAM J. Comput. 16 (1987), sec. 2.
        centers = self.start + z * self.drift
        height = np.sqrt(self.radius.max() ** 2 - self.radius**2)
        lifted = np.column_stack([centers, height])
        points = np.concatenate([bent, np.zeros((*self.plane, 1))], axis=-1)
        merged = [branch for branch in self.branches if branch.is_one(z)]
        distance, owner = cKDTree(lifted).query(points, k=3 if merged else 2)
        profile = np.arange(len(lifted))
        for branch in merged:
            profile[branch.other] = branch.stem
        if merged:  # the membrane is that to the nearest cell of another profile
            is_one = profile[owner[..., 0]] == profile[owner[..., 1]]
            distance[is_one, 1], owner[is_one, 1] = distance[is_one, 2], owner[is_one, 2]
        toward = centers[owner[..., 1]] - centers[owner[..., 0]]
        apart = np.linalg.norm(toward, axis=-1) + 1e-6
        edge = (distance[..., 1] ** 2 - distance[..., 0] ** 2) / (2 * apart)
        edge /= _stretch(bent, toward / apart[..., None])
        ids = np.where(edge > MEMBRANE, profile[owner[..., 0]] + 1, 0)
        crumbs = (ids > 0) & ~_largest_pieces(ids)
        ids[crumbs] = 0
        edge[crumbs] = 0.5 * MEMBRANE
        return ids.astype(np.uint16), edge.astype(np.float32), bent

    def shade(
        self,
        z: int,
        ids: NDArray[np.uint16],
        edge: FloatPlane,
        bent: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> FloatPlane:
        """Return the gray values of a section, before the camera."""
        gray = np.where(ids > 0, self.gray[ids.astype(int) - 1], 150.0)
        gray += 10 * _smooth(self.plane, 1.3, rng) + 6 * _smooth(self.plane, 4, rng)
        gray -= 50 * _spots(self.plane, 0.005, 1.6, rng)  # microtubules and dense cores
        gray -= 50 * _rings(self.plane, 0.0022, 2.4, rng)  # vesicles
        for i in np.flatnonzero(self.has_mitochondrion & (abs(z - self.middle) < 6)).tolist():
            here = (ids == i + 1) & (edge > MEMBRANE + 3)
            gray[here] = self._mitochondrion(i, z, bent[here], gray[here])
        # Where a membrane stands oblique to the section it is wider and fainter.
        oblique = np.abs(_smooth(self.plane, 16, rng)).clip(0, 2)
        width = MEMBRANE * (0.8 + 0.35 * oblique)
        dark = (96 - 16 * oblique) * np.exp(-((edge / width) ** 2))
        dark += (
            45 * _spots(self.plane, 0.00012, 9, rng) * np.exp(-((edge / 12) ** 2))
        )  # synapses
        return (gray - dark).astype(np.float32)

    def _mitochondrion(
        self, i: int, z: int, where: NDArray[np.float64], gray: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Darken an ellipse, its rim most, and draw cristae across it."""
        middle = self.start[i] + z * self.drift[i] + self.offset[i]
        along, across = np.cos(self.angle[i]), np.sin(self.angle[i])
        y, x = (where - middle).T
        u, v = along * x + across * y, along * y - across * x
        size = np.sqrt(max(0.0, 1 - ((z - self.middle[i]) / 6) ** 2)) * 0.55 * self.radius[i]
        r = np.hypot(u / (1.5 * size + 1e-6), v / (size + 1e-6))
        cristae = np.sin(1.35 * u + 1.2 * np.sin(0.35 * v))
        rim = np.exp(-(((r - 1) * size / 1.6) ** 2))
        inside = 1 / (1 + np.exp((r - 1) * size / 0.8))
        return gray - inside * (56 + 20 * cristae) - 34 * rim


def _ruined_sections(count: int, sections: int, rng: np.random.Generator) -> dict[int, str]:
    """Choose the sections that are ruined, one in each stretch of the stack, and how."""
    if sections < 3 * count:
        raise UserError(
            f"{sections} slices are too few for {count} ruined: take {3 * count} or more."
        )
    ends = np.linspace(0, sections, count + 1).astype(int)
    return {
        int(rng.integers(start + 1, end - 1)): RUINS[n % len(RUINS)]
        for n, (start, end) in enumerate(pairwise(ends))
    }


def _ruin(image: NDArray[np.uint8], kind: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a section as it is without tissue, out of place, or burnt by the beam."""
    if kind == "blank":
        return np.full_like(image, 200)
    if kind == "shifted":
        shift = [side // 8 + int(rng.integers(side // 8 + 1)) for side in image.shape]
        return np.roll(image, shift, (0, 1))
    stains = gaussian_filter(image.astype(np.float32), 6) * 0.3 + 40
    stains += 45 * _smooth(image.shape, 8, rng) + 15 * _smooth(image.shape, 0.8, rng)
    return stains.clip(0, 255).astype(np.uint8)


def _stretch(bent: NDArray[np.float64], toward: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the deformed pixels per real one, in the direction `toward` of deformed space."""
    slopes = [np.gradient(bent, axis=axis) for axis in (0, 1)]
    return np.hypot(*((slope * toward).sum(axis=-1) for slope in slopes)).clip(0.25)


def _expose(clean: FloatPlane, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add what a camera does: uneven illumination, blur, noise."""
    light = 1 + 0.05 * _smooth(clean.shape, 60, rng) + rng.normal(0, 0.03)
    seen = gaussian_filter(clean * light, 0.8) + 14 * _smooth(clean.shape, 0.8, rng)
    return seen.clip(0, 255).astype(np.uint8)


def _smooth(plane: tuple[int, ...], sigma: float, rng: np.random.Generator) -> FloatPlane:
    """Draw smooth noise of width `sigma` with mean 0 and standard deviation 1."""
    step = max(1, int(sigma / 4))  # wide hills need few points
    small = [-(-n // step) + 2 for n in plane]
    hills = gaussian_filter(rng.standard_normal(small, np.float32), sigma / step, mode="wrap")
    hills = (hills - hills.mean()) / hills.std()
    for axis, n in enumerate(plane):
        at = np.arange(n) / step
        low = at.astype(int)
        rest = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in (0, 1)])
        hills = (1 - rest) * hills.take(low, axis) + rest * hills.take(low + 1, axis)
    return hills


def _spots(
    plane: tuple[int, ...], density: float, sigma: float, rng: np.random.Generator
) -> FloatPlane:
    """Scatter Gaussian spots of height 1."""
    seeds = (rng.random(plane, np.float32) < density).astype(np.float32)
    return gaussian_filter(seeds, sigma) * np.float32(2 * np.pi * sigma**2)


def _rings(
    plane: tuple[int, ...], density: float, radius: float, rng: np.random.Generator
) -> FloatPlane:
    """Scatter rings: a wide spot less a narrow one."""
    seeds = (rng.random(plane, np.float32) < density).astype(np.float32)
    wide, narrow = gaussian_filter(seeds, radius), gaussian_filter(seeds, radius / 2)
    return np.float32(2 * np.pi * radius**2) * (2 * wide - narrow / 2)


def _largest_pieces(ids: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return the mask of the largest component of every id; background is between ids."""
    pieces, _ = label(ids > 0)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    owner = np.zeros(len(sizes), ids.dtype)
    owner[pieces.ravel()] = ids.ravel()
    order = np.lexsort((-sizes, owner))
    first = order[np.unique(owner[order], return_index=True)[1]]
    return np.isin(pieces, first[sizes[first] > 0])
