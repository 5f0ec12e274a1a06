"""The released VL-BERT in plain NumPy, one example at a time, by its names."""

import math

import numpy as np

from tests.checkpoints import numpy_network

_IMAGE = 'image_feature_extractor.'
STEM = f'{_IMAGE}backbone.conv1'
STAGES = {
  0: f'{_IMAGE}backbone.layer1.',
  1: f'{_IMAGE}backbone.layer2.',
  2: f'{_IMAGE}backbone.layer3.',
  3: f'{_IMAGE}head.0.',
}


def gelu(x):
  return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def _softmax(x):
  e = np.exp(x - x.max(axis=-1, keepdims=True))
  return e / e.sum(axis=-1, keepdims=True)


class VlBert:
  """Weights, and what the model makes of one example with them."""

  def __init__(self, weights, heads=4):
    self.w = {k: np.asarray(v, np.float64) for k, v in weights.items()}
    self.heads = heads
    self.network = numpy_network.ResNet(self.w, STEM, STAGES)

  def linear(self, x, name):
    return x @ self.w[f'{name}.weight'].T + self.w[f'{name}.bias']

  def norm(self, x, name):
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-12)
    return x * self.w[f'{name}.weight'] + self.w[f'{name}.bias']

  def geometry(self, boxes, size):
    """2048 values of each box: 256 sines, 256 cosines of a coordinate."""
    x1, y1, x2, y2 = np.asarray(boxes, np.float64).T
    width, height = map(float, size)
    places = np.stack(
      [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width,
       (y2 - y1) / height], axis=1
    )  # fmt: skip
    angles = 100 * places[..., None] / 1000 ** (np.arange(256) / 256)
    coded = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
    return coded.reshape(len(boxes), -1)

  def states(self, tokens, segments, tags, example):
    """Final states: of the text, and of the RoIs with the whole image.

    Args:
      tokens: ids, special words included.
      segments: as many.
      tags: as many, the row of `boxes` that a word shows.
      example: arrays of one example.
    """
    boxes = example['boxes'][:, :4]
    boxes = boxes[boxes[:, 0] > -1.5]
    if 'image' in example:
      features = self.network.c4(example['image'].astype(np.float64))
      appearance = self.network.appearance(
        features, boxes, example.get('segms')
      )
    else:
      appearance = np.where(
        _hidden(example, boxes),
        self.w.get('object_mask_visual_embedding.weight', 0.0),
        example['roi_features'][: len(boxes)],
      )
    joined = [self.geometry(boxes, example['image_size']), appearance]
    visual = self.linear(
      np.concatenate(joined, axis=1), f'{_IMAGE}obj_downsample.1'
    )
    visual = np.maximum(visual, 0)
    count = len(tokens)
    positions = self.w['vlbert.position_embeddings.weight']
    types = self.w['vlbert.token_type_embeddings.weight']
    text = (
      self.w['vlbert.word_embeddings.weight'][tokens]
      + positions[:count]
      + types[segments]
      + self.norm(visual[tags], 'vlbert.visual_ln_text')
    )
    rois = (
      np.where(
        _hidden(example, boxes),
        self.w.get('object_mask_word_embedding.weight', 0.0),
        self.w['object_linguistic_embeddings.weight'],
      )
      + positions[count]
      + types[2]
      + self.norm(visual, 'vlbert.visual_ln_object')
    )
    end = self.w['vlbert.end_embedding.weight']
    end = end + positions[count + 1] + types[2]
    x = self.norm(
      np.concatenate([text, rois, end]), 'vlbert.embedding_LayerNorm'
    )
    layer = 0
    while f'vlbert.encoder.layer.{layer}.output.dense.weight' in self.w:
      x = self._layer(x, f'vlbert.encoder.layer.{layer}.')
      layer += 1
    return x[:count], x[count:-1]

  def _layer(self, x, name):
    def split(part):
      y = self.linear(x, f'{name}attention.self.{part}')
      return y.reshape(len(x), self.heads, -1).transpose(1, 0, 2)

    query, key, value = map(split, ('query', 'key', 'value'))
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
    mixed = (_softmax(scores) @ value).transpose(1, 0, 2).reshape(len(x), -1)
    mixed = self.linear(mixed, f'{name}attention.output.dense')
    x = self.norm(x + mixed, f'{name}attention.output.LayerNorm')
    inner = gelu(self.linear(x, f'{name}intermediate.dense'))
    inner = self.linear(inner, f'{name}output.dense')
    return self.norm(x + inner, f'{name}output.LayerNorm')

  def _joined(self, *sections):
    """[CLS] and each section with a [SEP], as ids, segments and tags."""
    tokens, segments, tags = [101], [0], [0]
    for segment, (words, own) in enumerate(sections):
      tokens += [*words, 102]
      segments += [segment] * (len(words) + 1)
      tags += [*np.maximum(own, 0), 0]
    return np.array(tokens), np.array(segments), np.array(tags)

  def pretrain(self, example):
    """Logits of the relationship, and of each masked word."""
    count = int(example['text_len'])
    nothing = np.zeros(count, np.int64)
    text, _ = self.states(
      example['text_ids'][:count], nothing, nothing, example
    )
    pooled = np.tanh(self.linear(text[0], 'vlbert.pooler.dense'))
    related = self.linear(
      pooled, 'vlbert.relationsip_head.caption_image_relationship'
    )
    words = text[example['mlm_labels'][:count] >= 0]
    head = 'vlbert.mlm_head.predictions.'
    inner = gelu(self.linear(words, f'{head}transform.dense'))
    inner = self.norm(inner, f'{head}transform.LayerNorm')
    logits = inner @ self.w[f'{head}decoder.weight'].T
    return related, logits + self.w[f'{head}bias']

  def vqa(self, example):
    words = _words(example, 'question')
    text, _ = self.states(*self._joined(words, ([103], [0])), example)
    return self.classify(text[len(words[0]) + 2])

  def refcoco(self, example):
    _, rois = self.states(*self._joined(_words(example, 'query')), example)
    inner = gelu(self.linear(rois, 'final_mlp.0.dense'))
    return self.linear(inner, 'final_mlp.2')[:, 0]

  def vcr(self, example):
    scores = []
    for choice in range(len(example['answer_ids'])):
      answer = {
        name: value[choice]
        for name, value in example.items()
        if name.startswith('answer_')
      }
      text, _ = self.states(
        *self._joined(_words(example, 'question'), _words(answer, 'answer')),
        example,
      )
      pooled = np.tanh(self.linear(text[0], 'vlbert.pooler.dense'))
      scores.append(self.classify(pooled)[0])
    return np.array(scores)

  def classify(self, state):
    """By the kind that the names tell: 2fc, mlm or 1fc."""
    if 'final_mlp.4.weight' in self.w:
      inner = self.linear(state, 'final_mlp.1')
      return self.linear(np.maximum(inner, 0), 'final_mlp.4')
    if 'final_mlp.0.LayerNorm.weight' in self.w:
      inner = gelu(self.linear(state, 'final_mlp.0.dense'))
      inner = self.norm(inner, 'final_mlp.0.LayerNorm')
      return self.linear(inner, 'final_mlp.2')
    return self.linear(state, 'final_mlp.1')


def _hidden(example, boxes):
  """`[R, 1]`, True for a masked RoI."""
  masked = example.get('roi_masked', np.zeros(len(boxes)))
  return masked[: len(boxes), None] == 1


def _words(example, name):
  """Ids and tags of a section."""
  count = int(example[f'{name}_len'])
  ids = example[f'{name}_ids'][:count]
  tags = example.get(f'{name}_tags', np.zeros(len(ids), np.int64))
  return ids, tags[:count]


def examples(arrays):
  """Each example of a batch."""
  for number in range(len(arrays['boxes'])):
    yield {name: value[number] for name, value in arrays.items()}
