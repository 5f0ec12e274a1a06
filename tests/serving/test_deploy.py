"""The files for TensorFlow Serving: whether they parse and fit together."""

import pathlib

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.server import settings

DEPLOY = pathlib.Path(settings.__file__).parents[1] / 'deploy'


@pytest.fixture(scope='module')
def compose():
  text = (DEPLOY / 'docker-compose.yml').read_text()
  return yaml.safe_load(text)['services']['model-server']


@pytest.fixture(scope='module')
def kubernetes():
  text = (DEPLOY / 'kubernetes.yaml').read_text()
  return {item['kind']: item for item in yaml.safe_load_all(text)}


def container_of(kubernetes):
  (container,) = kubernetes['Deployment']['spec']['template']['spec'][
    'containers'
  ]
  return container


def test_the_models_parse_with_tensorflow_servings_proto():
  text = (DEPLOY / 'model_server.config').read_text()
  config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())

  (model,) = config.model_config_list.config
  served = set(model.model_version_policy.specific.versions)
  assert set(model.version_labels) == {'stable', 'canary'}
  assert set(model.version_labels.values()) <= served


def test_our_server_reads_the_same_files():
  (model,) = settings.read_models(DEPLOY / 'model_server.config')
  parameters = settings.read_batching_parameters(
    DEPLOY / 'batching_parameters.txt'
  )
  path = settings.read_metrics_path(DEPLOY / 'monitoring.config')

  assert model.name == 'vlbert'
  assert parameters.allowed_batch_sizes == (1, 2, 4, 8)
  assert not parameters.pad_variable_length_inputs
  assert path == settings.METRICS_PATH


def test_files_of_the_command_are_mounted(compose):
  mounted = {
    target: DEPLOY / source
    for source, target, _ in (v.rsplit(':', 2) for v in compose['volumes'][1:])
  }

  named = [
    flag.partition('=')[2] for flag in compose['command'] if '_file=' in flag
  ]
  assert set(named) == set(mounted)
  assert all(path.is_file() for path in mounted.values())
  (model,) = settings.read_models(DEPLOY / 'model_server.config')
  # A default value in ${...} has colons of its own.
  assert compose['volumes'][0].endswith(f':{model.base_path}:ro')


def test_docker_offers_its_ports_to_this_machine_only(compose):
  assert {port.split(':')[0] for port in compose['ports']} == {'127.0.0.1'}


def test_both_deployments_start_the_same_server(compose, kubernetes):
  container = container_of(kubernetes)
  flags = {flag.removesuffix('=true') for flag in container['args']}

  assert flags == {flag.removesuffix('=true') for flag in compose['command']}


def test_probes_ask_the_ports_and_the_model_that_are_served(kubernetes):
  container = container_of(kubernetes)
  ports = {port['name']: port['containerPort'] for port in container['ports']}

  assert ports == {'grpc': 8500, 'http': 8501}
  for probe in ('startupProbe', 'readinessProbe'):
    request = container[probe]['httpGet']
    assert (request['path'], request['port']) == ('/v1/models/vlbert', 'http')
  assert container['livenessProbe']['tcpSocket']['port'] == 'grpc'


def test_the_service_and_the_scrape_find_the_pods(kubernetes):
  template = kubernetes['Deployment']['spec']['template']
  labels = template['metadata']['labels']

  for selector in (
    kubernetes['Deployment']['spec']['selector']['matchLabels'],
    kubernetes['Service']['spec']['selector'],
    kubernetes['PodDisruptionBudget']['spec']['selector']['matchLabels'],
  ):
    assert selector == labels
  notes = template['metadata']['annotations']
  assert notes['prometheus.io/path'] == settings.METRICS_PATH
  grace = template['spec']['terminationGracePeriodSeconds']
  assert grace > int(
    container_of(kubernetes)['lifecycle']['preStop']['exec']['command'][1]
  )
