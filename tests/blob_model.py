"""A model that was never trained and finds blobs, for tests that need objects at once."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

import napari_utile as utile
from napari_utile.arrays.intensity import Normalization
from napari_utile.networks import UNet


def blobs(shape, seed=0):
    """Blobs of a few pixels, uint8."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = gaussian_filter(noise, (0,) * (len(shape) - 2) + (2, 2))
    return (128 + 300 * smooth).clip(0, 255).astype(np.uint8)


def blob_model(seed=1):
    """Drawn at random, and shifted so that about half of the pixels are foreground."""
    torch.manual_seed(seed)
    network = UNet(depth=1, width=2).eval()
    model = utile.Model(network, Normalization(mean=(128.0,), std=(40.0,)))
    p = utile.predict(model, blobs((64, 64)), settings=utile.PredictSettings(device="cpu"))
    scores = np.log(p[1] / p[0])
    with torch.no_grad():
        network.classify.weight *= 2 / max(scores.std(), 1e-6)
        network.classify.bias *= 2 / max(scores.std(), 1e-6)
        network.classify.bias[1] -= float(2 * np.median(scores) / max(scores.std(), 1e-6))
    return model
