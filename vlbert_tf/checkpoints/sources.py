"""What each `--from` and `--to` of vlbert-convert does."""

import dataclasses
import os

from vlbert_tf.checkpoints import (
  bert_tables,
  butd_detectron2,
  conversion,
  folder,
  inputs,
  models,
  official_vlbert,
  safetensors_files,
  torch_files,
  torchvision_resnet,
  visual_models,
)
from vlbert_tf.checkpoints.conversion import Report
from vlbert_tf.checkpoints.inputs import Options
from vlbert_tf.checkpoints.stored import Tensors
from vlbert_tf.modeling import config

OFFICIAL = 'official_vlbert'
TORCHVISION = 'torchvision_resnet'
BUTD = 'butd_detectron2'
SOURCES = (OFFICIAL, *inputs.BERT_SOURCES, TORCHVISION, BUTD)
SAFETENSORS = 'safetensors'
TARGETS = (OFFICIAL, SAFETENSORS)

_OBJECT_CATEGORIES = 1600


def convert(source: str, path: str, output: str, options: Options) -> Report:
  """Writes a folder of converted weights.

  Args:
    source: one of `SOURCES`.
    path: of the file or folder to read.
    output: folder to write.
    options: what no file tells.

  Returns:
    What became of every name.

  Raises:
    ValueError: the weights are damaged or do not fit; nothing is written.
  """
  folder.check_absent(output)
  tensors = inputs.read(source, path)
  kept = None
  if source == BUTD:
    table = butd_detectron2.table(tensors)
    model = visual_models.build_detector(butd_detectron2.architecture(tensors))
    files = inputs.detector_files(model.architecture, path, options)
  elif source == TORCHVISION:
    model = visual_models.VisualNetwork(
      torchvision_resnet.architecture(tensors)
    )
    tensors = torchvision_resnet.with_our_pixels(tensors)
    table, files = torchvision_resnet.table(tensors), {}
  else:
    model, tensors, table, kept = _text_model(source, path, tensors, options)
    files = inputs.text_files(model.architecture.vocab_size, path, options)
  report = conversion.fill(model, tensors, table)
  if kept is not None:
    report.new = [path for path in report.new if path in kept.new]
  folder.write(output, model, report, files)
  return report


def export(target: str, path: str, output: str) -> list[str]:
  """Writes converted or trained weights for other libraries.

  Args:
    target: one of `TARGETS`.
    path: of a folder of converted weights.
    output: file to write.

  Returns:
    Paths of our variables that the target has no name for.

  Raises:
    ValueError: the weights are of a kind or have an arithmetic that the target
      does not know.
  """
  folder.check_absent(output)
  model, _ = folder.read(path)
  partial = f'{output}.partial'
  if target == SAFETENSORS:
    arrays = {k: v.numpy() for k, v in model.get_weight_paths().items()}
    safetensors_files.write(partial, arrays)
    left_out = []
  else:
    if (
      not isinstance(model, models.TaskModel)
      or model.architecture.arithmetic.visual_norm != 'fading'
    ):
      raise ValueError(
        'The official format holds VL-BERTs of the preset official alone. '
        f'Received: {path}, of another kind. Use --to={SAFETENSORS}.'
      )
    table = official_vlbert.table(model.task, model.architecture)
    arrays, left_out = conversion.extract(model, table)
    torch_files.write(partial, official_vlbert.with_aliases(arrays, model.task))
  os.replace(partial, output)
  return left_out


def _text_model(source: str, path: str, tensors: Tensors, options: Options):
  """A VL-BERT to fill, what fills it, and what an earlier report said."""
  num_heads = options.num_heads or inputs.heads_beside(source, path)
  if source != OFFICIAL:
    model, kept = _base(options, bert_tables.sizes(tensors, num_heads))
    return model, tensors, bert_tables.table(tensors), kept
  contents = official_vlbert.inspect(tensors, num_heads)
  table = official_vlbert.table(contents.task, contents.architecture)
  model = models.TaskModel(
    contents.architecture, contents.task, contents.num_answers
  )
  return model, contents.tensors, table, None


def _base(options: Options, sizes: dict[str, int]):
  """A model to fill in part, and the report of its own conversion or None."""
  if options.base:
    return folder.read(options.base)
  settings = config.ModelConfig(
    preset=options.preset,
    size=config.size_of(sizes['hidden_size'], sizes['num_layers']),
    visual_features=options.visual_features,
    xla='none',
  )
  architecture = config.resolve(settings, 30522, _OBJECT_CATEGORIES)
  architecture = dataclasses.replace(architecture, **sizes)
  return models.TaskModel(architecture, models.PRETRAIN), None
