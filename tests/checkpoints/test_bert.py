"""Text weights of other libraries, in our encoder."""

import functools
import json

import keras
import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

from vlbert_tf.checkpoints import folder, safetensors_files, sources

HIDDEN, INNER, VOCAB, LAYERS, POSITIONS = 24, 40, 31, 2, 19


def huggingface_weights(
  rng, hidden=HIDDEN, inner=INNER, vocab=VOCAB, layers=LAYERS,
  positions=POSITIONS,
) -> dict[str, np.ndarray]:  # fmt: skip
  """Random weights under Hugging Face's names."""

  def normal(*shape):
    return rng.normal(0, 0.3, shape).astype(np.float32)

  weights = {
    'bert.embeddings.word_embeddings.weight': normal(vocab, hidden),
    'bert.embeddings.position_embeddings.weight': normal(positions, hidden),
    'bert.embeddings.token_type_embeddings.weight': normal(2, hidden),
    'bert.embeddings.LayerNorm.gamma': 1 + normal(hidden),
    'bert.embeddings.LayerNorm.beta': normal(hidden),
    'bert.pooler.dense.weight': normal(hidden, hidden),
    'bert.pooler.dense.bias': normal(hidden),
  }
  for layer in range(layers):
    prefix = f'bert.encoder.layer.{layer}.'
    for name, out, into in (
      ('attention.self.query', hidden, hidden),
      ('attention.self.key', hidden, hidden),
      ('attention.self.value', hidden, hidden),
      ('attention.output.dense', hidden, hidden),
      ('intermediate.dense', inner, hidden),
      ('output.dense', hidden, inner),
    ):
      weights[f'{prefix}{name}.weight'] = normal(out, into)
      weights[f'{prefix}{name}.bias'] = normal(out)
    for name in ('attention.output.LayerNorm', 'output.LayerNorm'):
      weights[f'{prefix}{name}.weight'] = 1 + normal(hidden)
      weights[f'{prefix}{name}.bias'] = normal(hidden)
  return weights


@pytest.fixture(scope='module')
def converted(tmp_path_factory):
  place = tmp_path_factory.mktemp('bert')
  weights = huggingface_weights(np.random.default_rng(4))
  safetensors_files.write(str(place / 'model.safetensors'), weights)
  (place / 'config.json').write_text(json.dumps({'num_attention_heads': 3}))
  report = sources.convert(
    'huggingface_bert',
    str(place),
    str(place / 'ours'),
    sources.Options(visual_features='precomputed'),
  )
  return weights, report, folder.read(str(place / 'ours'))[0]


# Places in keras_nlp's encoder layer.
_KERAS_NAMES = {
  'query': 'attention.self.query',
  'key': 'attention.self.key',
  'value': 'attention.self.value',
  'attention_output': 'attention.output.dense',
  'self_attention_layer_norm': 'attention.output.LayerNorm',
  'feedforward_intermediate_dense': 'intermediate.dense',
  'feedforward_output_dense': 'output.dense',
  'feedforward_layer_norm': 'output.LayerNorm',
}
_KERAS_KINDS = {'kernel': 'weight', 'gamma': 'weight', 'beta': 'bias'}


def _keras_bert(weights):
  """The same weights in keras_nlp's BERT."""
  backbone = keras_nlp.models.BertBackbone(
    vocabulary_size=VOCAB, num_layers=LAYERS, num_heads=3, hidden_dim=HIDDEN,
    intermediate_dim=INNER, max_sequence_length=POSITIONS, dropout=0.0,
  )  # fmt: skip
  w = {name.removeprefix('bert.'): value for name, value in weights.items()}
  names = {
    'token_embedding': ['embeddings.word_embeddings.weight'],
    'position_embedding': ['embeddings.position_embeddings.weight'],
    'segment_embedding': ['embeddings.token_type_embeddings.weight'],
  }
  for layer, (name,) in names.items():
    backbone.get_layer(layer).set_weights([w[name]])
  backbone.get_layer('embeddings_layer_norm').set_weights(
    [w['embeddings.LayerNorm.gamma'], w['embeddings.LayerNorm.beta']]
  )
  for number in range(LAYERS):
    layer = backbone.get_layer(f'transformer_layer_{number}')
    for variable in layer.weights:
      place, kind = variable.path.split('/')[-2:]
      source = f'encoder.layer.{number}.{_KERAS_NAMES[place]}'
      value = w[f'{source}.{_KERAS_KINDS.get(kind, kind)}']
      if kind == 'kernel':
        value = value.T
      variable.assign(value.reshape(variable.shape))
    # keras_nlp approximates GELU by a tanh, up to 5e-4 from BERT's own.
    layer._feedforward_intermediate_dense.activation = functools.partial(
      keras.activations.gelu, approximate=False
    )
  return backbone


def test_the_encoder_on_text_equals_keras_nlp(converted):
  weights, _, model = converted
  rng = np.random.default_rng(5)
  ids = rng.integers(0, VOCAB, [2, 7])
  segments = np.array([[0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 0]])
  mask = np.array([[True] * 7, [True] * 4 + [False] * 3])
  expected = _keras_bert(weights)(
    {'token_ids': ids, 'segment_ids': segments, 'padding_mask': mask}
  )['sequence_output']
  tables = model.backbone.element_embedding

  # Without an image: word, segment and position, and nothing else.
  summed = (
    tf.gather(tables.words, ids)
    + tf.gather(tables.segments, segments)
    + tables.positions[:7]
  )
  states, _ = model.backbone.encoder(tables.norm(summed), tf.constant(mask))

  np.testing.assert_allclose(
    states.numpy()[mask], np.asarray(expected)[mask], atol=1e-4
  )


def test_what_bert_does_not_have_is_reported_as_new(converted):
  weights, report, model = converted

  segments = model.backbone.element_embedding.segments.numpy()
  expected = weights['bert.embeddings.token_type_embeddings.weight']
  np.testing.assert_array_equal(segments[:2], expected)
  assert 0 < np.abs(segments[2]).max() < 0.05
  assert 'backbone.element_embedding.image_token' in report.new
  assert 'backbone.visual_embedding.projection.kernel' in report.new
  assert set(report.ignored) == {'pooler.dense.weight', 'pooler.dense.bias'}


def test_a_tensorflow_1_checkpoint_gives_the_same_model(converted, tmp_path):
  weights, _, model = converted
  variables = {}
  for name, value in weights.items():
    name = name.replace('.', '/').replace('layer/', 'layer_')
    if name.endswith('_embeddings/weight'):
      name = name.removesuffix('/weight')
    elif 'LayerNorm' in name:
      name = name.replace('/weight', '/gamma').replace('/bias', '/beta')
    elif name.endswith('/weight'):
      name, value = name.replace('/weight', '/kernel'), value.T
    variables[name] = value
  variables['global_step'] = np.array(3, np.int64)
  variables['bert/pooler/dense/bias/adam_m'] = np.zeros([HIDDEN], np.float32)
  path = str(tmp_path / 'bert_model.ckpt')
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    for name, value in variables.items():
      tf.compat.v1.get_variable(name, initializer=value)
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.train.Saver().save(session, path)
  options = sources.Options(num_heads=3, visual_features='precomputed')

  sources.convert('google_bert', path, str(tmp_path / 'ours'), options)

  again = folder.read(str(tmp_path / 'ours'))[0]
  for ours, theirs in zip(
    again.backbone.encoder.weights, model.backbone.encoder.weights, strict=True
  ):
    np.testing.assert_array_equal(ours, theirs)
  np.testing.assert_array_equal(
    again.backbone.element_embedding.words,
    model.backbone.element_embedding.words,
  )


def test_converted_weights_can_be_put_on_top_of_others(converted, tmp_path):
  weights, first_report, _ = converted
  place = str(tmp_path / 'model.safetensors')
  safetensors_files.write(place, weights)
  options = sources.Options(num_heads=3, visual_features='precomputed')
  sources.convert('huggingface_bert', place, str(tmp_path / 'a'), options)
  first = folder.read(str(tmp_path / 'a'))[0]
  on_top = sources.Options(num_heads=3, base=str(tmp_path / 'a'))

  report = sources.convert(
    'huggingface_bert', place, str(tmp_path / 'b'), on_top
  )

  second = folder.read(str(tmp_path / 'b'))[0]
  assert sorted(report.new) == sorted(first_report.new)
  np.testing.assert_array_equal(
    second.backbone.visual_embedding.projection.kernel,
    first.backbone.visual_embedding.projection.kernel,
  )


def test_a_larger_model_does_not_go_on_top_of_a_smaller_one(tmp_path):
  places = []
  for hidden in (24, 36):
    weights = huggingface_weights(np.random.default_rng(4), hidden)
    places.append(str(tmp_path / f'{hidden}.safetensors'))
    safetensors_files.write(places[-1], weights)
  options = sources.Options(num_heads=3, visual_features='precomputed')
  base = str(tmp_path / 'small')
  sources.convert('huggingface_bert', places[0], base, options)

  with pytest.raises(ValueError, match=r'\[31, 36\], for .*words \[31, 24\]'):
    sources.convert(
      'huggingface_bert', places[1], str(tmp_path / 'a'),
      sources.Options(num_heads=3, base=base),
    )  # fmt: skip
  assert not (tmp_path / 'a').exists()


def test_a_preset_of_keras_nlp_gives_the_same_model(converted, tmp_path):
  weights, _, model = converted
  preset = tmp_path / 'preset'
  _keras_bert(weights).save_to_preset(str(preset))
  words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
  words += [f'w{k}' for k in range(VOCAB - len(words))]
  keras_nlp.models.BertTokenizer(vocabulary=words).save_to_preset(str(preset))
  options = sources.Options(visual_features='precomputed')

  report = sources.convert(
    'kerashub_bert', str(preset), str(tmp_path / 'ours'), options
  )

  again = folder.read(str(tmp_path / 'ours'))[0]
  for ours, theirs in zip(
    again.backbone.encoder.weights, model.backbone.encoder.weights, strict=True
  ):
    np.testing.assert_array_equal(ours, theirs)
  for name in ('words', 'positions'):
    np.testing.assert_array_equal(
      getattr(again.backbone.element_embedding, name),
      getattr(model.backbone.element_embedding, name),
    )
  np.testing.assert_array_equal(
    again.backbone.element_embedding.segments[:2],
    model.backbone.element_embedding.segments[:2],
  )
  assert again.architecture.num_heads == 3
  assert set(report.ignored) == {'pooler.dense.weight', 'pooler.dense.bias'}
  written = (tmp_path / 'ours' / 'vocab.txt').read_text().split()
  assert written == words
  place = preset / 'model.weights.h5'
  whole = place.read_bytes()
  place.write_bytes(whole[: len(whole) // 2])
  with pytest.raises(ValueError, match='must hold model.weights.h5, complete'):
    sources.convert('kerashub_bert', str(preset), str(tmp_path / 'b'), options)
  with pytest.raises(ValueError, match='is a folder with config.json'):
    sources.convert(
      'kerashub_bert', str(tmp_path), str(tmp_path / 'b'), options
    )


def test_a_damaged_safetensors_file_is_refused(tmp_path):
  path = tmp_path / 'model.safetensors'
  safetensors_files.write(
    str(path), huggingface_weights(np.random.default_rng(4))
  )
  whole = path.read_bytes()
  for length in (4, 100, len(whole) - 4):
    path.write_bytes(whole[:length])

    with pytest.raises(ValueError, match='must be complete'):
      safetensors_files.read(str(path))
