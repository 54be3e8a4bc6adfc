"""A table of pairs holds what a dict would."""

import numpy as np

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.instances.pair_table import (
    FIRST_CAPACITY,
    larger_table,
    new_table,
    pairs_in_order,
    place_of_key,
)


@compiled
def count_of_each(wanted):
    keys, rows = new_table(FIRST_CAPACITY, 2)
    used = 0
    for key in wanted:
        place = place_of_key(keys, key)
        if keys[place] == 0:
            keys[place] = key
            used += 1
            if 2 * used > len(keys):
                keys, rows = larger_table(keys, rows)
                place = place_of_key(keys, key)
        rows[place, 1] += 1
    return keys, rows


def test_a_table_grows_and_keeps_what_was_counted():
    ends = np.random.default_rng(0).integers(1, 2**32, (3 * FIRST_CAPACITY, 2), np.uint64)
    wanted = ends[:, 0] << np.uint64(32) | ends[:, 1]
    keys, rows = count_of_each(np.concatenate([wanted, wanted[::3]]))
    pairs, sums = pairs_in_order(keys, rows)
    in_order = np.argsort(wanted)
    np.testing.assert_array_equal(pairs, ends[in_order])
    np.testing.assert_array_equal(sums[:, 0], 0)
    np.testing.assert_array_equal(
        sums[:, 1], np.where(np.arange(len(ends)) % 3, 1, 2)[in_order]
    )
