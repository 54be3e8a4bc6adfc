"""Where blocks are: counted, placed, shared out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_utile.arrays.blocks import Blocks

sides = st.integers(1, 9)
some_blocks = st.builds(
    Blocks,
    starts=st.just((2, 3, 4)),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 30), st.integers(1, 30)),
    tile=st.one_of(st.tuples(sides, sides), st.tuples(sides, sides, sides)),
)
"""Blocks of slices, and of volumes."""


@given(some_blocks)
def test_every_pixel_is_in_one_block(blocks):
    count = np.zeros(blocks.shape, int)
    for number in range(len(blocks)):
        block = blocks[number]
        assert block.number == number
        count[(*block.index, *block.window)] += 1
    assert (count == 1).all()


@given(some_blocks)
def test_blocks_are_counted_plane_by_plane_and_row_by_row(blocks):
    corners = [
        (*block.index, *(side.start for side in block.window))
        for block in map(blocks.__getitem__, range(len(blocks)))
    ]
    assert corners == sorted(corners)
    assert [blocks[n].plane for n in blocks.of_plane(0)] == [0] * blocks.per_plane


@given(some_blocks, st.integers(1, 9))
def test_parts_together_are_all_blocks_in_order(blocks, n):
    assert [number for k in range(n) for number in blocks.part(k + 1, n)] == list(
        range(len(blocks))
    )


def test_parts_are_whole_planes_where_there_are_enough():
    blocks = Blocks((0, 0, 0), (5, 20, 20), (10, 10))
    assert [blocks.part(k, 2) for k in (1, 2)] == [range(8), range(8, 20)]
    assert [len(blocks.part(k, 8)) for k in range(1, 9)] == [2, 3, 2, 3, 2, 3, 2, 3]


@given(some_blocks, st.integers(0, 12))
def test_what_is_around_a_block_touches_the_blocks_near_it(blocks, halo):
    owner = np.zeros(blocks.shape, int)
    for number in range(len(blocks)):
        block = blocks[number]
        owner[(*block.index, *block.window)] = number
    for number in range(0, len(blocks), 3):
        block = blocks[number]
        wide, inner = blocks.around(block, halo)
        part = owner[(*block.index, *wide)]
        assert set(blocks.near(block, halo)) == set(part.ravel().tolist())
        assert (part[inner] == number).all()
        assert part[inner].size == owner[(*block.index, *block.window)].size


def test_a_block_of_a_part_is_found_in_the_stack():
    blocks = Blocks((2, 30, 40), (3, 20, 20), (10, 10))
    assert blocks.source(blocks[5]) == ((3,), (slice(30, 40), slice(50, 60)))


def test_there_are_no_more_blocks_than_there_are():
    with pytest.raises(IndexError, match="no block 4 of 4"):
        Blocks((0, 0), (20, 20), (10, 10))[4]
