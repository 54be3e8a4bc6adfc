"""Meshes of bodies whose volume, place and orientation are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from napari_utile.results.meshes import Mesh, mesh_of, obj, ply


def ball(spacing, radius=12.0):
    """A ball that touches no border, and its mask with pixels of this size."""
    half = [int(radius / abs(size)) + 2 for size in spacing]
    axes = np.ogrid[tuple(slice(-n, n + 1) for n in half)]
    far = sum((axis * size) ** 2 for axis, size in zip(axes, spacing, strict=True))
    return far <= radius**2, half


def edges(mesh):
    """Directed edges, as pairs of numbers."""
    return [tuple(edge) for edge in mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)]


@pytest.mark.parametrize("spacing", [(1, 1, 1), (2, 0.5, 1), (-2, 1, 1), (1, -1, -1)])
def test_a_ball_has_its_volume_at_its_place(spacing):
    mask, half = ball(spacing)
    origin = [100.0, 20.0, -5.0]
    mesh = mesh_of(mask, spacing, origin)
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.03)
    center = [o + n * size for o, n, size in zip(origin, half, spacing, strict=True)]
    middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    assert_allclose(middle, center[::-1], atol=1e-5)  # x, y, z


def test_every_edge_has_a_triangle_on_both_sides():
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(20, 24, 28)), 3)
    mesh = mesh_of(smooth > 0, (1, 1, 1), (0, 0, 0))  # it touches all borders
    found = edges(mesh)
    assert len({*found}) == len(found)
    assert {(b, a) for a, b in found} == {*found}


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 1), (3, 1, 5)])
def test_thin_objects_have_a_surface(shape):
    mesh = mesh_of(np.ones(shape, bool), (1, 1, 1), (0, 0, 0))
    assert 0 < mesh.volume < np.prod(shape)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert_allclose(low, [-0.5] * 3)
    assert_allclose(high, np.array(shape[::-1]) - 0.5)


def test_smoothing_shrinks_the_area_not_the_closure():
    mask, _ = ball((1, 1, 1))
    rough, smooth = (mesh_of(mask, (1, 1, 1), (0, 0, 0), n) for n in (0, 5))
    assert _area(smooth) < _area(rough)
    assert edges(smooth) == edges(rough)


def _area(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


TETRAHEDRON = Mesh(
    np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3.5]]),
    np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]),
)


def test_the_volume_of_a_tetrahedron():
    assert TETRAHEDRON.volume == pytest.approx(1 * 2 * 3.5 / 6)


def test_a_ply_holds_vertices_and_faces():
    header, _, data = ply(TETRAHEDRON, "um").partition(b"end_header\n")
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\n")
    assert b"comment napari-utile: x y z in um" in header
    assert b"element vertex 4\n" in header and b"element face 4\n" in header
    assert_allclose(np.frombuffer(data[:48], "<f4").reshape(4, 3), TETRAHEDRON.vertices)
    faces = np.frombuffer(data[48:], [("n", "u1"), ("v", "<i4", 3)])
    assert (faces["n"] == 3).all() and (faces["v"] == TETRAHEDRON.faces).all()


def test_an_obj_counts_vertices_from_one():
    lines = obj(TETRAHEDRON, "px").decode().splitlines()
    assert lines[0] == "# napari-utile: x y z in px"
    assert lines[1:5] == ["v 0 0 0", "v 1 0 0", "v 0 2 0", "v 0 0 3.5"]
    assert lines[5:] == ["f 1 3 2", "f 1 2 4", "f 2 3 4", "f 1 4 3"]
