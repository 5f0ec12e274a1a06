"""Encoders of size base that people would pick on a CPU, ours among them.

Each is 12 layers of 768, or fewer, on the same batch of 8 sequences of 164
elements, without dropout. A contender is a function that runs one pass and
returns when it is done. Beside them stands what bounds all of TensorFlow's: the
products of their dense layers alone.
"""

import dataclasses
import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from vlbert_tf.modeling import attention
from vlbert_tf.modeling import config as configs
from vlbert_tf.modeling.encoder import Encoder

BATCH, LENGTH, HIDDEN, HEADS, INNER = 8, 164, 768, 12, 3072
MODES, DTYPES = ('forward', 'train'), ('float32', 'bfloat16')
REFERENCE = 'PyTorch eager'
FLOOR = 'dense products alone'
_RATE = 1e-4
_DROPOUT = 0.1

Work = Callable[[], object]


def encoders(
  mode: str, dtype: str, layers: int, threads: int
) -> tuple[dict[str, Work], dict[str, str]]:
  """Passes of whole encoders.

  Args:
    mode: `forward`, or `train`: forward, backward and SGD.
    dtype: `float32` or `bfloat16`, mixed with float32 as each library does.
    layers: how many.
    threads: that PyTorch uses; TensorFlow's are set by the caller.

  Returns:
    Work by name, and why others could not be made.
  """
  tf_keras.mixed_precision.set_global_policy(_policy(dtype))
  return _made(
    {
      REFERENCE: lambda: _pytorch(layers, mode, dtype, threads, False),
      'PyTorch compiled': lambda: _pytorch(layers, mode, dtype, threads, True),
      'Model Garden': lambda: _model_garden(layers, mode, dtype),
      'KerasHub': lambda: _keras_hub(layers, mode, dtype),
      'ours, xla: none': lambda: _ours(layers, mode, dtype, 'none'),
      'ours, xla: attention': lambda: _ours(layers, mode, dtype, 'attention'),
      FLOOR: lambda: _products(layers, mode, dtype),
    }
  )


def attention_cores(mode: str, dtype: str) -> dict[str, Work]:
  """The attention core of one layer, plain and compiled by XLA.

  Args:
    mode: as in `encoders`; `train` takes gradients of query, key and value,
      without dropout and with the paper's.
    dtype: of query, key and value.

  Returns:
    Work by name.
  """
  rng = np.random.default_rng(1)
  shape = [3, BATCH, HEADS, LENGTH, HIDDEN // HEADS]
  parts = [tf.Variable(tf.cast(x, dtype)) for x in rng.normal(size=shape) * 0.5]
  mask = tf.constant(_inputs()[1])

  def core_of(attend, rate=0.0):
    seed = tf.constant([1, 2]) if rate else None

    @tf.function
    def forward():
      return attend(*parts, mask)

    @tf.function
    def train():
      with tf.GradientTape() as tape:
        tape.watch(parts)
        context = attend(*parts, mask, rate, seed)
        loss = tf.reduce_sum(tf.cast(context, tf.float32) ** 2)
      return tape.gradient(loss, parts)

    step = train if mode == 'train' else forward
    return lambda: [x.numpy() for x in tf.nest.flatten(step())]

  cores = {'plain': attention.attend, 'XLA': attention.compiled_attend}
  works = {name: core_of(attend) for name, attend in cores.items()}
  if mode == 'train':
    works |= {
      f'{name}, dropout': core_of(attend, _DROPOUT)
      for name, attend in cores.items()
    }
  return works


def _made(makers: dict[str, Callable[[], Work]]):
  found, missing = {}, {}
  for name, make in makers.items():
    try:
      found[name] = make()
      found[name]()
    except Exception as error:  # noqa: BLE001 - a peer's, of any kind.
      found.pop(name, None)
      missing[name] = f'{type(error).__name__}: {str(error).splitlines()[0]}'
  return found, missing


def _inputs():
  rng = np.random.default_rng(1)
  x = rng.normal(size=[BATCH, LENGTH, HIDDEN]).astype(np.float32)
  mask = np.arange(LENGTH)[None] < rng.integers(LENGTH // 2, LENGTH, [BATCH, 1])
  return x, mask


def _policy(dtype):
  return 'float32' if dtype == 'float32' else f'mixed_{dtype}'


def _tensorflow(call, variables, mode) -> Work:
  """A compiled step of anything that TensorFlow differentiates."""

  @tf.function
  def forward():
    return tf.reduce_sum(tf.cast(call(), tf.float32) ** 2)

  @tf.function
  def train():
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(tf.cast(call(), tf.float32) ** 2)
    gradients = tape.gradient(loss, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
      variable.assign_sub(_RATE * gradient)
    return loss

  step = train if mode == 'train' else forward
  return lambda: step().numpy()


def _ours(layers, mode, dtype, xla) -> Work:
  arch = configs.resolve(configs.ModelConfig(dropout_rate=0.0, xla=xla), 99, 9)
  encoder = Encoder(
    dataclasses.replace(arch, num_layers=layers), dtype=_policy(dtype)
  )
  x, mask = _inputs()
  x, mask = tf.constant(x), tf.constant(mask)
  encoder(x, mask)
  return _tensorflow(
    lambda: encoder(x, mask)[0], encoder.trainable_variables, mode
  )


def _products(layers, mode, dtype) -> Work:
  """Nothing but the products of dense layers: what TensorFlow cannot beat."""
  rng = np.random.default_rng(1)

  def random(*shape):
    return tf.Variable(tf.cast(rng.normal(size=shape), dtype))

  rows = BATCH * LENGTH
  widths = (
    (HIDDEN, 3 * HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, INNER), (INNER, HIDDEN),
  )  # fmt: skip
  x = {width: random(rows, width) for width in {w for p in widths for w in p}}
  kernels = [random(*shape) for _ in range(layers) for shape in widths]

  @tf.function
  def step():
    products = []
    for kernel in kernels:
      before, after = (x[width] for width in kernel.shape)
      products.append(tf.matmul(before, kernel))
      if mode == 'train':
        products.append(tf.matmul(after, kernel, transpose_b=True))
        products.append(tf.matmul(before, after, transpose_a=True))
    return tf.stack([tf.cast(each[0, 0], tf.float32) for each in products])

  return lambda: step().numpy()


def _model_garden(layers, mode, dtype) -> Work:
  """The blocks that Model Garden's BertEncoderV2 is made of."""
  from official.nlp.modeling import layers as nlp_layers

  blocks = [
    nlp_layers.TransformerEncoderBlock(
      HEADS, INNER, lambda x: tf.nn.gelu(x, approximate=False),
      dtype=_policy(dtype),
    )
    for _ in range(layers)
  ]  # fmt: skip
  x, mask = _inputs()
  x = tf.constant(x)
  allowed = tf.constant(np.repeat(mask[:, None], LENGTH, 1), tf.float32)

  def call():
    hidden = x
    for block in blocks:
      hidden = block([hidden, allowed])
    return hidden

  call()
  variables = [v for block in blocks for v in block.trainable_variables]
  return _tensorflow(call, variables, mode)


def _keras_hub(layers, mode, dtype) -> Work:
  """The layers that KerasHub's BertBackbone is made of."""
  os.environ['KERAS_BACKEND'] = 'tensorflow'
  from keras_hub.layers import TransformerEncoder

  blocks = [
    TransformerEncoder(
      INNER, HEADS, activation='gelu', layer_norm_epsilon=1e-12,
      dtype=_policy(dtype),
    )
    for _ in range(layers)
  ]  # fmt: skip
  x, mask = _inputs()
  x, mask = tf.constant(x), tf.constant(mask)

  def call():
    hidden = x
    for block in blocks:
      hidden = block(hidden, padding_mask=mask)
    return hidden

  call()
  variables = [v.value for block in blocks for v in block.trainable_variables]
  return _tensorflow(call, variables, mode)


def _pytorch(layers, mode, dtype, threads, compiled) -> Work:
  """Hugging Face's BERT encoder, which its VisualBERT has as well."""
  import torch
  from transformers import BertConfig, BertModel

  torch.set_num_threads(threads)
  settings = BertConfig(
    num_hidden_layers=layers, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0, vocab_size=99,
  )  # fmt: skip
  encoder = BertModel(settings).encoder
  x, mask = _inputs()
  x = torch.tensor(x)
  bias = torch.tensor(np.where(mask, 0.0, -1e9)[:, None, None], dtype=x.dtype)
  bias = bias.expand(-1, -1, LENGTH, -1)
  call = torch.compile(encoder) if compiled else encoder
  half = torch.autocast('cpu', torch.bfloat16, enabled=dtype == 'bfloat16')

  def forward():
    with torch.no_grad(), half:
      return float(call(x, bias)[0].float().square().sum())

  optimizer = torch.optim.SGD(encoder.parameters(), lr=_RATE)

  def train():
    optimizer.zero_grad(set_to_none=True)
    with half:
      loss = call(x, bias)[0].float().square().mean()
    loss.backward()
    optimizer.step()
    return float(loss)

  return train if mode == 'train' else forward
