"""Our encoder against those that people would pick instead, on a CPU.

Forward pass, and forward, backward and SGD, of 12 layers of 768 on a batch of
8 sequences of 164 elements. Contenders run in turn; the ratio of medians is
what counts. Needs `pip install 'vlbert-tf[bench]'`; a contender that is not
installed is left out and named.

  python -m benchmarks.encoder --mode=forward --dtype=float32 --rounds=7
"""

import argparse
import dataclasses
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow as tf
import tf_keras

from benchmarks import timing
from vlbert_tf.modeling import config as configs
from vlbert_tf.modeling.encoder import Encoder

BATCH, LENGTH, HIDDEN, HEADS, INNER = 8, 164, 768, 12, 3072
_RATE = 1e-4


def _inputs():
  rng = np.random.default_rng(1)
  x = rng.normal(size=[BATCH, LENGTH, HIDDEN]).astype(np.float32)
  mask = np.arange(LENGTH)[None] < rng.integers(LENGTH // 2, LENGTH, [BATCH, 1])
  return x, mask


def _tensorflow(call, variables, mode):
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


def ours(layers, mode, dtype, xla):
  """The encoder of this project."""
  arch = configs.resolve(configs.ModelConfig(dropout_rate=0.0, xla=xla), 99, 9)
  encoder = Encoder(
    dataclasses.replace(arch, num_layers=layers), dtype=_policy(dtype)
  )
  x, mask = _inputs()
  x, mask = tf.constant(x), tf.constant(mask)
  encoder(x, mask)
  call = lambda: encoder(x, mask)[0]  # noqa: E731
  if xla == 'step':
    call = tf.function(call, jit_compile=True)
  return _tensorflow(call, encoder.trainable_variables, mode)


def _policy(dtype):
  return 'float32' if dtype == 'float32' else f'mixed_{dtype}'


def model_garden(layers, mode, dtype):
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


def keras_hub(layers, mode, dtype):
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


def pytorch(layers, mode, dtype, threads, compiled):
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


def contenders(layers, mode, dtype, threads):
  """Work by name, and reasons why others are missing."""
  makers = {
    'PyTorch eager': lambda: pytorch(layers, mode, dtype, threads, False),
    'PyTorch compiled': lambda: pytorch(layers, mode, dtype, threads, True),
    'Model Garden': lambda: model_garden(layers, mode, dtype),
    'KerasHub': lambda: keras_hub(layers, mode, dtype),
    'ours, xla: none': lambda: ours(layers, mode, dtype, 'none'),
    'ours, xla: attention': lambda: ours(layers, mode, dtype, 'attention'),
  }
  found, missing = {}, {}
  for name, make in makers.items():
    try:
      found[name] = make()
      found[name]()
    except Exception as error:  # noqa: BLE001 - a peer's, of any kind.
      found.pop(name, None)
      missing[name] = f'{type(error).__name__}: {str(error).splitlines()[0]}'
  return found, missing


def main() -> None:
  """Prints one table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--mode', choices=['forward', 'train'], default='forward')
  parser.add_argument(
    '--dtype', choices=['float32', 'bfloat16'], default='float32'
  )
  parser.add_argument('--layers', type=int, default=12)
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--threads', type=int, default=os.cpu_count())
  parser.add_argument('--clock', choices=[*timing.CLOCKS], default='wall')
  args = parser.parse_args()
  tf.config.threading.set_intra_op_parallelism_threads(args.threads)
  tf_keras.mixed_precision.set_global_policy(_policy(args.dtype))
  found, missing = contenders(args.layers, args.mode, args.dtype, args.threads)
  seconds = timing.interleaved(found, args.rounds, args.clock)
  print(
    f'{args.mode}, {args.dtype}, {args.layers} layers, {args.rounds} rounds, '
    f'{args.threads} threads, {args.clock} seconds'
  )
  print(timing.circumstances())
  print(timing.table(seconds, next(iter(found))))
  for name, reason in missing.items():
    print(f'not measured: {name} ({reason})')


if __name__ == '__main__':
  main()
