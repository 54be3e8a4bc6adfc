"""Objects of labels measured: sums that add up plane by plane, and what follows from them."""
