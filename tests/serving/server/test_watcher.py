"""Versions that come and go while a server answers."""

import threading
from concurrent import futures

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
  get_model_status_pb2,
  model_management_pb2,
  model_service_pb2_grpc,
  prediction_log_pb2,
  prediction_service_pb2_grpc,
)

from serving.server import (
  listener,
  registry,
  settings,
  versions,
  warm_up,
  watcher,
)
from tests.serving import toy_model
from tests.serving.toy_requests import DEADLINE, outputs_of, predict_request

State = get_model_status_pb2.ModelVersionStatus


def arithmetic(x=(2.0,), label=''):
  request = predict_request('arithmetic', x=list(x))
  request.model_spec.version_label = label
  return request


class Server:
  """A server that follows a folder when it is told to."""

  def __init__(self, root, policy=None, labels=None):
    self.root = root
    self.settings = settings.ModelSettings(
      name='toy',
      base_path=root,
      policy=policy or versions.Policy(),
      labels=labels or {},
    )
    self.served = registry.Registry()
    self.watcher = watcher.VersionWatcher(self.served, [self.settings])
    self.watcher.load_all()
    self.listener = listener.Listener(self.served, follower=self.watcher)
    self.channel = grpc.insecure_channel(self.listener.address)
    self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(
      self.channel
    )
    self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

  def ask(self, **spec):
    """Version and factor of the model that answers."""
    response = self.prediction.Predict(arithmetic(**spec), timeout=DEADLINE)
    (product,) = outputs_of(response)['product']
    return response.model_spec.version.value, product / 2

  def states(self):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = 'toy'
    response = self.models.GetModelStatus(request, timeout=DEADLINE)
    return {s.version: s for s in response.model_version_status}

  def close(self):
    self.channel.close()
    self.listener.drain(0)


@pytest.fixture
def serve(tmp_path):
  servers = []

  def start(*numbers, **options):
    for number in numbers:
      toy_model.export(tmp_path / str(number), factor=float(number))
    servers.append(Server(tmp_path, **options))
    return servers[-1]

  yield start
  for server in servers:
    server.close()


def write_warm_up(folder, *requests):
  path = folder / warm_up.FILE
  path.parent.mkdir(exist_ok=True)
  with tf.io.TFRecordWriter(str(path)) as writer:
    for request in requests:
      log = prediction_log_pb2.PredictionLog()
      log.predict_log.request.CopyFrom(request)
      writer.write(log.SerializeToString())


def test_a_new_version_takes_over_without_a_failed_request(serve):
  server = serve(1)
  switched = threading.Event()

  def ask_on():
    seen = set()
    while not switched.is_set():
      seen.add(server.ask())  # raises if a request fails
    return seen

  with futures.ThreadPoolExecutor(4) as pool:
    asking = [pool.submit(ask_on) for _ in range(4)]
    toy_model.export(server.root / '2', factor=2.0)
    server.watcher.check()
    after = server.ask()
    switched.set()
    seen = set().union(*(one.result() for one in asking))

  assert after == (2, 2.0)
  assert (1, 1.0) in seen
  assert seen <= {(1, 1.0), (2, 2.0)}
  assert server.states()[1].state == State.END
  assert server.states()[2].state == State.AVAILABLE


@pytest.mark.parametrize('damage', ['weights', 'warm-up', 'no protocol'])
def test_a_broken_version_is_refused_and_the_old_one_stays(serve, damage):
  server = serve(1)
  folder = toy_model.export(server.root / '2', factor=2.0)
  if damage == 'weights':
    for file in (folder / 'variables').iterdir():
      file.unlink()
  elif damage == 'warm-up':
    request = arithmetic()
    request.inputs['y'].CopyFrom(request.inputs['x'])
    write_warm_up(folder, request)
  else:
    write_warm_up(folder)
    with tf.io.TFRecordWriter(str(folder / warm_up.FILE)) as writer:
      writer.write(b'\xff\xff')

  server.watcher.check()

  assert server.ask() == (1, 1.0)
  status = server.states()[2]
  assert status.state == State.END
  assert status.status.error_code == tf.errors.UNKNOWN
  assert str(folder) in status.status.error_message


def test_a_broken_version_is_tried_again_once_it_has_changed(serve):
  server = serve(1)
  folder = server.root / '2'
  folder.mkdir()
  (folder / 'saved_model.pb').write_bytes(b'half')
  server.watcher.check()
  assert server.ask() == (1, 1.0)

  toy_model.export(folder, factor=2.0)
  server.watcher.check()

  assert server.ask() == (2, 2.0)


def test_a_version_answers_its_warm_up_requests_before_it_is_served(
  serve, monkeypatch
):
  server = serve(1)
  folder = toy_model.export(server.root / '2', factor=2.0)
  write_warm_up(folder, arithmetic([1.0]), arithmetic([1.0, 2.0]))
  answered = []
  call = watcher.model.LoadedVersion.call

  def spy(self, signature, inputs):
    newest = server.served.find('toy').version
    answered.append((self.version, newest, inputs['x'].numpy().tolist()))
    return call(self, signature, inputs)

  monkeypatch.setattr(watcher.model.LoadedVersion, 'call', spy)

  server.watcher.check()

  assert answered == [(2, 1, [1.0]), (2, 1, [1.0, 2.0])]


def test_labels_choose_between_versions(serve):
  server = serve(
    1,
    2,
    policy=versions.Policy(specific=(1, 2)),
    labels={'stable': 1, 'canary': 2},
  )

  assert server.ask() == (2, 2.0)
  assert server.ask(label='stable') == (1, 1.0)
  assert server.ask(label='canary') == (2, 2.0)


def test_the_newest_versions_stay_when_their_folders_are_lost(serve, tmp_path):
  server = serve(1, 2, policy=versions.Policy(latest=2))
  for number in (1, 2):
    (server.root / str(number)).rename(tmp_path / f'{number}.lost')

  server.watcher.check()

  assert server.ask() == (2, 2.0)


def test_a_model_whose_only_version_is_broken_does_not_start(tmp_path):
  folder = tmp_path / '1'
  folder.mkdir()
  (folder / 'saved_model.pb').write_bytes(b'\xff')

  with pytest.raises(ValueError, match='damaged saved_model.pb'):
    Server(tmp_path)


def test_a_policy_without_a_version_does_not_start(tmp_path):
  toy_model.export(tmp_path / '1')

  with pytest.raises(ValueError, match=r'policy selects.*versions \[1\]'):
    Server(tmp_path, policy=versions.Policy(specific=(5,)))


def reload_request(root, **policy):
  request = model_management_pb2.ReloadConfigRequest()
  request.config.model_config_list.config.add(
    name='toy', base_path=str(root), model_platform='tensorflow', **policy
  )
  return request


def test_a_client_may_change_what_is_served(serve):
  server = serve(1, 2)
  request = reload_request(
    server.root, model_version_policy={'specific': {'versions': [1]}}
  )

  response = server.models.HandleReloadConfigRequest(request, timeout=DEADLINE)

  assert response.status.error_code == 0
  assert server.ask() == (1, 1.0)


def test_a_change_that_cannot_be_served_changes_nothing(serve, tmp_path):
  server = serve(1)
  (tmp_path / 'empty').mkdir()
  request = reload_request(tmp_path / 'empty')
  other = request.config.model_config_list.config.add()
  other.CopyFrom(request.config.model_config_list.config[0])
  other.name = 'other'

  with pytest.raises(grpc.RpcError) as caught:
    server.models.HandleReloadConfigRequest(request, timeout=DEADLINE)
  server.watcher.check()

  assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
  assert server.ask() == (1, 1.0)
