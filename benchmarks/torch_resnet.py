"""Torchvision's ResNet-101 as a C4 network, in a process of its own.

TensorFlow and PyTorch do not load beside each other everywhere. Reads pickled
calls on stdin and answers on stdout.
"""

import pickle
import sys

import numpy as np
import torch
import torchvision

_STRIDE, _BINS = 16, 14


class Network:
  """C4, RoIAlign, res5 with dilation 2 and stride 1, mean."""

  def __init__(self):
    torch.manual_seed(1)
    self.network = torchvision.models.resnet101(
      replace_stride_with_dilation=[False, False, True]
    ).eval()
    # Torchvision leaves the first convolution of a dilated stage as it was.
    first = self.network.layer4[0].conv2
    first.dilation, first.padding = (2, 2), (2, 2)

  def state(self) -> dict[str, np.ndarray]:
    """Weights by name."""
    state = self.network.state_dict()
    return {name: value.numpy() for name, value in state.items()}

  def appearance(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """`[N, 2048]` of an image `[3, H, W]` and boxes `[N, 4]`."""
    net = self.network
    with torch.inference_mode():
      x = torch.from_numpy(image[None])
      x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
      x = net.layer3(net.layer2(net.layer1(x)))
      x = torchvision.ops.roi_align(
        x, [torch.from_numpy(boxes)], _BINS, 1 / _STRIDE, sampling_ratio=1
      )
      return net.layer4(x).mean(dim=(2, 3)).numpy()


def main() -> None:
  """Answers calls until stdin ends."""
  network = Network()
  while True:
    try:
      name, arguments = pickle.load(sys.stdin.buffer)
    except EOFError:
      return
    answer = getattr(network, name)(*arguments)
    pickle.dump(answer, sys.stdout.buffer)
    sys.stdout.buffer.flush()


if __name__ == '__main__':
  main()
