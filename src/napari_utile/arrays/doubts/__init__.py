"""What may be wrong with labels and images, found by looking at them."""
