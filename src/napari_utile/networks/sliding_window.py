"""The classifier of single pixels by the window around them, run on all windows at once.

Source: Ciresan, Giusti, Gambardella & Schmidhuber, "Deep Neural Networks Segment Neuronal
Membranes in Electron Microscopy Images", NIPS 2012, network N4. All windows at once: Giusti
et al., "Fast Image Scanning with Deep Max-Pooling Convolutional Neural Networks", ICIP 2013.
"""

from torch import Tensor, nn
from torch.nn import functional

from napari_utile.networks.layers import initialize
from napari_utile.networks.tileable import Network, PixelsPerAxis

KERNELS = (4, 5, 4, 4)
"""Side of each convolution; a 2 x 2 max pooling follows it."""
WINDOW = 95
"""Pixels that the network sees: 95 - 92 = 46 - 42 = 21 - 18 = 9 - 6 = 3."""


class SlidingWindow(Network):
    """Four convolutions with pooling, then two fully connected layers, for every pixel.

    The defaults are the published network, scaled by `width`. It has no normalization.

    Parameters
    ----------
    in_channels : int, default 1
        Channels of the image.
    classes : int, default 2
        Maps of logits. 1 means one foreground map, to be read through a sigmoid.
    width : int, default 48
        Features of each convolution; the fully connected layer has 200 / 48 as many.

    Notes
    -----
    On a single window it pools as published. On a larger image the poolings keep every
    pixel, and what comes behind them looks at pixels that lie 2, 4, 8 and 16 apart: window by
    window the same numbers, and neighbours share their work. (Giusti et al. split the map
    into fragments, which is the same computation in another order.)

    The paper's window is unpadded, and so is the image: the caller brings the margin. ReLU
    and the initialization that goes with it are our choice.
    """

    trains_on_windows = True
    padding = "valid"
    paper = (
        "Ciresan, Giusti, Gambardella & Schmidhuber: Deep Neural Networks Segment Neuronal "
        "Membranes in Electron Microscopy Images. NIPS 2012",
        "https://papers.nips.cc/paper/2012/hash/459a4ddcb586f24efd9395aa7662bc7c-Abstract.html",
    )

    def __init__(self, in_channels: int = 1, classes: int = 2, width: int = 48):
        super().__init__()
        self.in_channels, self.classes, self.width = in_channels, classes, width
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, width, kernel)
            for i, kernel in zip([in_channels, *3 * [width]], KERNELS, strict=True)
        )
        self.connect = nn.Conv2d(width, 200 * width // 48, kernel_size=3)
        self.classify = nn.Conv2d(200 * width // 48, classes, kernel_size=1)
        self.apply(initialize)

    @property
    def stride_alignment(self) -> PixelsPerAxis:
        """Pixels to whose multiples tiles are laid, per axis: 1, no phase is to be kept."""
        return self.ndim * (1,)

    @property
    def margin(self) -> PixelsPerAxis:
        """Pixels of context on each side, per axis: the middle of a window is (47, 47)."""
        return self.ndim * (WINDOW // 2,)

    @property
    def input_phase(self) -> PixelsPerAxis:
        """Input size modulo 1, per axis: any size will do."""
        return self.ndim * (0,)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, Y, X) to logits (N, K, Y - 94, X - 94)."""
        return self.of_windows(x) if x.shape[-2:] == (WINDOW, WINDOW) else self.forward_tile(x)

    def forward_tile(self, x: Tensor) -> Tensor:
        """Map a tile that brings its margin to the logits of its middle."""
        apart = 1
        for convolution in self.convolutions:
            x = _rectified(x, convolution, apart)
            # the maximum of each pixel and its neighbours, first along Y and then along X
            x = x[..., :-apart, :].maximum(x[..., apart:, :])
            x = x[..., :-apart].maximum(x[..., apart:])
            apart *= 2
        return self.classify(_rectified(x, self.connect, apart))

    def of_windows(self, x: Tensor) -> Tensor:
        """Map windows (N, C, 95, 95) to the logits (N, K, 1, 1) of their middles."""
        for convolution in self.convolutions:
            x = functional.max_pool2d(_rectified(x, convolution), 2)
        return self.classify(_rectified(x, self.connect))


def _rectified(x: Tensor, convolution: nn.Module, apart: int = 1) -> Tensor:
    """Return the rectified convolution of pixels that are `apart` pixels from each other."""
    kernel: Tensor = convolution.weight  # type: ignore[assignment]
    bias: Tensor = convolution.bias  # type: ignore[assignment]
    return functional.relu(functional.conv2d(x, kernel, bias, dilation=apart), inplace=True)
