"""TensorFlow Serving's configuration files: what is read, what is refused."""

import pathlib

import pytest

from serving.server import settings, versions

MODEL = 'name: "a" base_path: "/a" model_platform: "tensorflow"'


@pytest.fixture
def write(tmp_path):
  def write(text):
    path = tmp_path / 'settings.txt'
    path.write_text(text)
    return path

  return write


def test_batching_parameters_are_read(write):
  path = write(
    """
    max_batch_size { value: 8 }
    batch_timeout_micros { value: 0 }
    max_enqueued_batches { value: 3 }
    num_batch_threads { value: 2 }
    allowed_batch_sizes: 2
    allowed_batch_sizes: 8
    pad_variable_length_inputs: true
    """
  )

  assert settings.read_batching_parameters(path) == settings.BatchingParameters(
    max_batch_size=8,
    batch_timeout_micros=0,
    max_enqueued_batches=3,
    num_batch_threads=2,
    allowed_batch_sizes=(2, 8),
    pad_variable_length_inputs=True,
  )


def test_what_a_file_leaves_out_is_tensorflow_servings_default(write):
  parameters = settings.read_batching_parameters(write(''))

  assert parameters.max_batch_size == 1000
  assert parameters.batch_timeout_micros == 0
  assert parameters.max_enqueued_batches == 10
  assert not parameters.allowed_batch_sizes


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('max_batch_size { value: 0 }', 'max_batch_size must be at least 1'),
    ('num_batch_threads { value: -1 }', 'num_batch_threads must be at least'),
    ('batch_timeout_micros { value: -1 }', 'must not be negative'),
    ('max_batch_size { value: 8 } allowed_batch_sizes: 4', r'Received: \[4\]'),
    (
      'max_batch_size { value: 4 } allowed_batch_sizes: [4, 2, 4]',
      'must increase and end with max_batch_size, 4',
    ),
    ('max_batch_sise { value: 8 }', 'max_batch_sise'),
    ('max_batch_size: 8', 'must be a text protocol buffer'),
  ],
)
def test_batching_parameters_outside_the_rules_are_refused(
  write, text, sentence
):
  with pytest.raises(ValueError, match=sentence):
    settings.read_batching_parameters(write(text))


@pytest.mark.parametrize(
  ('text', 'path'),
  [
    ('prometheus_config { enable: true path: "/metrics" }', '/metrics'),
    ('prometheus_config { enable: true }', '/monitoring/prometheus/metrics'),
    ('prometheus_config { path: "/metrics" }', ''),
    ('', ''),
  ],
)
def test_the_page_of_metrics_is_where_the_file_says(write, text, path):
  assert settings.read_metrics_path(write(text)) == path


def test_keys_are_read_from_the_file_itself(write):
  path = write(r'server_key: "KEY\nEND" server_cert: "CERT"')

  assert settings.read_tls(path) == settings.TlsSettings(
    server_key='KEY\nEND', server_cert='CERT'
  )


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('server_key: "KEY"', 'must hold server_key and server_cert'),
    (
      'server_key: "KEY" server_cert: "CERT" client_verify: true',
      'client_verify needs custom_ca',
    ),
  ],
)
def test_keys_that_are_missing_are_told(write, text, sentence):
  with pytest.raises(ValueError, match=sentence):
    settings.read_tls(write(text))


def test_models_are_read_with_policy_and_labels(write):
  path = write(
    f"""
    model_config_list {{
      config {{
        {MODEL}
        model_version_policy {{ specific {{ versions: 1 versions: 3 }} }}
        version_labels {{ key: "stable" value: 1 }}
        version_labels {{ key: "canary" value: 3 }}
      }}
      config {{
        name: "b" base_path: "/b" model_platform: "tensorflow"
        model_version_policy {{ latest {{ num_versions: 2 }} }}
      }}
      config {{
        name: "c" base_path: "/c" model_platform: "tensorflow"
        model_version_policy {{ all {{ }} }}
      }}
      config {{ name: "d" base_path: "/d" model_platform: "tensorflow" }}
    }}
    """
  )

  models = settings.read_models(path)

  assert models[0] == settings.ModelSettings(
    name='a',
    base_path=pathlib.Path('/a'),
    policy=versions.Policy(specific=(1, 3)),
    labels={'stable': 1, 'canary': 3},
  )
  assert [m.policy for m in models[1:]] == [
    versions.Policy(latest=2),
    versions.Policy(latest=None),
    versions.Policy(latest=1),
  ]


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('', 'must list models, each name once. Received: none'),
    (
      f'model_config_list {{ config {{ {MODEL} }} config {{ {MODEL} }} }}',
      r"each name once. Received: \['a', 'a'\]",
    ),
    (
      'model_config_list { config { name: "a" } }',
      'must have a name and a base_path',
    ),
    (
      'model_config_list { config { name: "a" base_path: "/a" } }',
      'must have the model_platform "tensorflow"',
    ),
  ],
)
def test_models_outside_the_rules_are_refused(write, text, sentence):
  with pytest.raises(ValueError, match=sentence):
    settings.read_models(write(text))
