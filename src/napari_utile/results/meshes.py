"""Meshes of objects: the surface of a mask as triangles, and its text in a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Mesh:
    """A closed surface of triangles.

    Attributes
    ----------
    vertices : ndarray of float64, shape (V, 3)
        Positions as (x, y, z).
    faces : ndarray of int64, shape (F, 3)
        Numbers of vertices; seen from outside, they go round counterclockwise.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]

    @property
    def volume(self) -> float:
        """Volume that it encloses: the sum of signed tetrahedra between faces and origin."""
        middle = self.vertices.mean(axis=0)
        a, b, c = (self.vertices[self.faces[:, i]] - middle for i in range(3))
        return float((a * np.cross(b, c)).sum() / 6)


def mesh_of(
    mask: NDArray[np.bool_],
    spacing: Sequence[float],
    origin: Sequence[float],
    smoothing: int = 0,
) -> Mesh:
    """Return the surface of an object by marching cubes.

    Parameters
    ----------
    mask : ndarray of bool, shape (Z, Y, X)
        With one pixel at least. What touches its border is closed there.
    spacing, origin : sequence of float
        Size of a pixel, which may be negative, and position of the center of the first one:
        along (z, y, x).
    smoothing : int, default 0
        Number of times that each vertex moves to the mean of itself and its neighbours.

    Returns
    -------
    Mesh
        Half a pixel outside of the centers of the outermost pixels.

    References
    ----------
    .. [1] Lewiner, Lopes, Vieira & Tavares, "Efficient Implementation of Marching Cubes' Cases
       with Topological Guarantees", Journal of Graphics Tools 8(2), 2003.
    """
    from bioimage_cpp.mesh import marching_cubes, smooth_mesh

    volume = np.pad(mask, 1).astype(np.float32)  # closed at the border, and 3 pixels at least
    vertices, faces, normals, _ = marching_cubes(volume, 0.5, allow_degenerate=False)
    if smoothing:
        vertices, _ = smooth_mesh(vertices, normals, faces, smoothing, n_threads=1)
    placed = np.array(origin) + (vertices.astype(float) - 1) * np.array(spacing)
    # marching cubes of (z, y, x) winds them clockwise as seen in (x, y, z); each negative size
    # of a pixel is a reflection
    order = (0, 1, 2) if np.sign(np.array(spacing)).prod() > 0 else (2, 1, 0)
    return Mesh(placed[:, ::-1], faces.astype(np.int64)[:, order])


def ply(mesh: Mesh, unit: str) -> bytes:
    """Return a mesh as a binary PLY file.

    Parameters
    ----------
    mesh : Mesh
    unit : str
        Of the vertices, for a comment.
    """
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"comment napari-utile: x y z in {unit}\n"
        f"element vertex {len(mesh.vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(mesh.faces)}\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("vertices", "<i4", 3)])
    faces["count"], faces["vertices"] = 3, mesh.faces
    return header.encode() + mesh.vertices.astype("<f4").tobytes() + faces.tobytes()


def obj(mesh: Mesh, unit: str) -> bytes:
    """Return a mesh as a Wavefront OBJ file.

    Parameters
    ----------
    mesh : Mesh
    unit : str
        Of the vertices, for a comment.
    """
    lines = [f"# napari-utile: x y z in {unit}\n"]
    lines += [f"v {x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in mesh.vertices.tolist()]
    lines += [f"f {a} {b} {c}\n" for a, b, c in (mesh.faces + 1).tolist()]
    return "".join(lines).encode()


MESH_FORMATS: dict[str, Callable[[Mesh, str], bytes]] = {"ply": ply, "obj": obj}
"""Formats of files, by their suffix."""
