"""A model of pre-training on many GPUs: arithmetic on stated inputs.

FLOPs of a pair, bytes that are all-reduced in a step, memory of a GPU, and the
pairs a second that follow. Nothing here is measured.

  python -m benchmarks.scaling
  python -m benchmarks.scaling --gpus=8 --utilization=0.4 --network=25e9
"""

import argparse
import dataclasses

from vlbert_tf.modeling import config as configs

# Backward is two products for each one of forward.
_PASSES = 3
_HALF, _FULL = 2, 4  # bytes
# What the authors' released code did on one V100, pairs a second.
RELEASED = {'precomputed': 74.0, 'pixels': 11.6}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
  """What the model is fed with; the defaults are one recipe on 16 V100.

  Attributes:
    visual_features: `pixels` or `precomputed`.
    words: T, after padding.
    rois: R, after padding.
    masked_words: positions that the vocabulary is predicted for.
    height: of the padded image, pixels.
    width: of the padded image, pixels.
    vocab_size: V.
    categories: C.
    global_batch: pairs a step.
    micro_batches: parts of it on a GPU.
    remat: whether layers and blocks are computed twice.
    gpus: in all.
    gpus_a_host: in one machine.
    peak: FLOP/s of a GPU in float16 with tensor cores (V100: 125e12).
    utilization: share of the peak that is reached. An assumption.
    link: bytes/s of an all-reduce inside a machine (NVLink of a DGX-1,
      about 130e9). An assumption.
    network: bytes/s between machines (100 Gbit/s: 12.5e9).
    overlap: share of the all-reduce hidden behind the backward pass.
  """

  visual_features: str = 'pixels'
  words: int = 64
  rois: int = 100
  masked_words: int = 19
  height: int = 600
  width: int = 1000
  vocab_size: int = 30_522
  categories: int = 1_600
  global_batch: int = 256
  micro_batches: int = 1
  remat: bool = False
  gpus: int = 16
  gpus_a_host: int = 8
  peak: float = 125e12
  utilization: float = 0.25
  link: float = 130e9
  network: float = 12.5e9
  overlap: float = 0.0

  @property
  def architecture(self) -> configs.Architecture:
    """Of size base."""
    return configs.resolve(
      configs.ModelConfig(visual_features=self.visual_features),
      self.vocab_size,
      self.categories,
    )


def encoder_flops(length: int, hidden: int, inner: int, layers: int) -> int:
  """Forward FLOPs of one sequence; a multiplication and an addition are two.

  Four products with D×D (query, key, value, output), two with D×F, and two of
  S×S×D for attention.
  """
  projections = 2 * length * (4 * hidden**2 + 2 * hidden * inner)
  attention = 4 * length**2 * hidden
  return layers * (projections + attention)


def head_flops(inputs: Inputs) -> int:
  """Forward FLOPs of projection and heads of one pair."""
  arch = inputs.architecture
  hidden = arch.hidden_size
  source = arch.appearance_size + arch.geometry_size
  projection = 2 * (inputs.rois + 1) * source * hidden
  words = 2 * inputs.masked_words * hidden * (hidden + inputs.vocab_size)
  categories = 2 * inputs.rois * hidden * (hidden + 2 * inputs.categories)
  return projection + words + categories


def visual_layers(inputs: Inputs):
  """Yields rows, columns, kernel, inner and outer channels of convolutions.

  Rows and columns are those of the output; res5 has those of all RoIs.
  """
  resnet = inputs.architecture.resnet
  if resnet is None:
    return
  rows, columns = inputs.height // 2, inputs.width // 2
  yield rows, columns, resnet.stem_kernel_size, 3, resnet.stem_width
  rows, columns = -(-rows // 2), -(-columns // 2)
  source = resnet.stem_width
  for stage, (depth, width, stride) in enumerate(
    zip(resnet.depths, resnet.widths, resnet.strides, strict=True)
  ):
    if stage == 3:
      # Each RoI, and the whole image, is a map of its own.
      rows = resnet.roi_size * (inputs.rois + 1)
      columns = resnet.roi_size
    rows, columns = -(-rows // stride), -(-columns // stride)
    outer = width * resnet.expansion
    yield rows, columns, 1, source, outer
    for _ in range(depth):
      yield rows, columns, 1, source, width
      yield rows, columns, 3, width, width
      yield rows, columns, 1, width, outer
      source = outer


def visual_flops(inputs: Inputs) -> int:
  """Forward FLOPs of the visual network for one image with its RoIs."""
  return sum(
    2 * rows * columns * kernel**2 * inner * outer
    for rows, columns, kernel, inner, outer in visual_layers(inputs)
  )


def pair_flops(inputs: Inputs) -> int:
  """FLOPs of one pair in a training step, forward and backward."""
  arch = inputs.architecture
  length = inputs.words + inputs.rois + 1
  repeated = visual_flops(inputs) + encoder_flops(
    length, arch.hidden_size, arch.feed_forward_size, arch.num_layers
  )
  passes = _PASSES + int(inputs.remat)
  return passes * repeated + _PASSES * head_flops(inputs)


def parameters(inputs: Inputs) -> int:
  """Trained numbers of the model, without biases and norms (below 1 %)."""
  arch = inputs.architecture
  hidden, inner = arch.hidden_size, arch.feed_forward_size
  encoder = arch.num_layers * (4 * hidden**2 + 2 * hidden * inner)
  embeddings = hidden * (inputs.vocab_size + arch.max_positions)
  visual = hidden * (arch.appearance_size + arch.geometry_size)
  heads = 3 * hidden**2 + 2 * hidden * inputs.categories
  network = sum(
    kernel**2 * source * outer
    for _, _, kernel, source, outer in visual_layers(inputs)
  )
  return encoder + embeddings + visual + heads + network


def activation_bytes(inputs: Inputs) -> int:
  """Bytes that wait for the backward pass of one pair, in float16.

  An encoder layer keeps about 17 values an element and hidden unit (34 bytes:
  Korthikanti et al., 2022, eq. 1) and, for each pair of elements and head,
  logits, softmax in float32, its mask and its product: 12 bytes. A
  convolution keeps its output. With `remat` a layer keeps its input alone, and
  one of them at a time all of that; so does a block.
  """
  arch = inputs.architecture
  length = inputs.words + inputs.rois + 1
  layer = 34 * length * arch.hidden_size + 12 * arch.num_heads * length**2
  logits = 3 * _FULL * inputs.masked_words * inputs.vocab_size
  maps = [
    _HALF * rows * columns * outer
    for rows, columns, _, _, outer in visual_layers(inputs)
  ]
  if not inputs.remat:
    return arch.num_layers * layer + logits + sum(maps)
  kept = arch.num_layers * _HALF * length * arch.hidden_size
  # Of the three convolutions of a block the last one's output is kept.
  return kept + layer + logits + sum(maps) // 3


def memory(inputs: Inputs) -> float:
  """Bytes of one GPU: weights, gradients, two moments, activations."""
  at_once = inputs.global_batch / inputs.gpus / inputs.micro_batches
  # Weights, gradients, their sum over micro-batches, and two moments of Adam.
  copies = 4 + int(inputs.micro_batches > 1)
  return copies * _FULL * parameters(inputs) + at_once * activation_bytes(
    inputs
  )


def reduced_bytes(inputs: Inputs) -> float:
  """Bytes that a GPU sends in a ring all-reduce of float32 gradients."""
  ring = 2 * (inputs.gpus - 1) / inputs.gpus
  return ring * _FULL * parameters(inputs)


def pairs_per_second(inputs: Inputs) -> float:
  """What all GPUs together train on."""
  pairs = inputs.global_batch / inputs.gpus
  compute = pairs * pair_flops(inputs) / (inputs.peak * inputs.utilization)
  slowest = inputs.network if inputs.gpus > inputs.gpus_a_host else inputs.link
  reduce = reduced_bytes(inputs) / slowest * (1 - inputs.overlap)
  return inputs.global_batch / (compute + reduce)


def table(recipes: list[Inputs]) -> str:
  """Markdown, one row a recipe."""
  rows = [
    '| features | GPUs | pairs a GPU × parts | remat | GFLOP a pair | '
    'parameters | GB a GPU | MB reduced | pairs/s | pairs/s a GPU | '
    'released code a GPU |',
    '|---' * 11 + '|',
  ]
  for each in recipes:
    speed = pairs_per_second(each)
    part = each.global_batch // each.gpus // each.micro_batches
    rows.append(
      f'| {each.visual_features} | {each.gpus} | {part} × '
      f'{each.micro_batches} | {"yes" if each.remat else "no"} '
      f'| {pair_flops(each) / 1e9:.0f} | {parameters(each) / 1e6:.0f} M '
      f'| {memory(each) / 1e9:.1f} | {reduced_bytes(each) / 1e6:.0f} '
      f'| {speed:.0f} | {speed / each.gpus:.1f} '
      f'| {RELEASED[each.visual_features]} |'
    )
  return '\n'.join(rows)


def main() -> None:
  """Prints the recipes of configs/pretrain, or one GPU count."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--gpus', type=int, nargs='*', default=[1, 4, 8, 16])
  for name in ('utilization', 'link', 'network', 'peak', 'overlap'):
    default = getattr(Inputs(), name)
    parser.add_argument(f'--{name}', type=float, default=default)
  args = vars(parser.parse_args())
  counts = args.pop('gpus')
  print(
    table(
      [
        Inputs(
          visual_features=features,
          gpus=count,
          micro_batches=max(1, 16 // count),
          **args,
        )
        for features in RELEASED
        for count in counts
      ]
    )
  )


if __name__ == '__main__':
  main()
