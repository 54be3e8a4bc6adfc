"""The loss weight map of the U-Net paper, and the distances it is made of."""
