"""TensorFlow Serving's configuration files, read and checked.

`--model_config_file` is tensorflow-serving-api's own ModelServerConfig. The
protos of the other files are not in that package, so their public fields are
declared here; text format goes by names alone.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

from google.protobuf import message_factory, text_format
from google.protobuf.message import Message
from tensorflow_serving.config import (
  file_system_storage_path_source_pb2,
  model_server_config_pb2,
)

from serving import messages
from serving.server import versions

_Policy = file_system_storage_path_source_pb2.FileSystemStoragePathSourceConfig

# What PrometheusConfig leaves empty.
METRICS_PATH = '/monitoring/prometheus/metrics'

_POOL = messages.declare(
  {
    # google.protobuf's wrappers, by which a file tells 0 from nothing.
    'Int64Value': {'value': (1, 'int64')},
    'StringValue': {'value': (1, 'string')},
    'BatchingParameters': {
      'max_batch_size': (1, 'Int64Value'),
      'batch_timeout_micros': (2, 'Int64Value'),
      'max_enqueued_batches': (3, 'Int64Value'),
      'num_batch_threads': (4, 'Int64Value'),
      'thread_pool_name': (5, 'StringValue'),
      'allowed_batch_sizes': (6, ['int64']),
      'pad_variable_length_inputs': (7, 'bool'),
    },
    'PrometheusConfig': {'enable': (1, 'bool'), 'path': (2, 'string')},
    'MonitoringConfig': {'prometheus_config': (1, 'PrometheusConfig')},
    'SSLConfig': {
      'server_key': (1, 'string'),
      'server_cert': (2, 'string'),
      'custom_ca': (3, 'string'),
      'client_verify': (4, 'bool'),
    },
  }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchingParameters:
  """How requests are merged; the defaults are TensorFlow Serving's.

  Attributes:
    max_batch_size: most rows of a batch; a request with more is refused.
    batch_timeout_micros: longest wait for others, when a thread is free.
    max_enqueued_batches: batches of one signature that may wait; requests that
      would open another are refused, UNAVAILABLE.
    num_batch_threads: batches that run at a time, of all models together.
    thread_pool_name: label of the metrics.
    allowed_batch_sizes: sizes that batches are padded to, increasing, the last
      being `max_batch_size`; none for no padding.
    pad_variable_length_inputs: whether inputs of several requests that differ
      in size beyond the first dimension are padded, with the first element of
      each; a batch of such requests is refused otherwise.
  """

  max_batch_size: int = 1000
  batch_timeout_micros: int = 0
  max_enqueued_batches: int = 10
  num_batch_threads: int = os.cpu_count() or 1
  thread_pool_name: str = 'batch_threads'
  allowed_batch_sizes: Sequence[int] = ()
  pad_variable_length_inputs: bool = False

  def __post_init__(self) -> None:
    for name in ('max_batch_size', 'max_enqueued_batches', 'num_batch_threads'):
      if getattr(self, name) < 1:
        raise ValueError(
          f'{name} must be at least 1. Received: {getattr(self, name)}. '
          'Correct the batching parameters.'
        )
    if self.batch_timeout_micros < 0:
      raise ValueError(
        'batch_timeout_micros must not be negative. '
        f'Received: {self.batch_timeout_micros}. Pass 0 for no wait.'
      )
    sizes = list(self.allowed_batch_sizes)
    increasing = sizes == sorted(set(sizes)) and all(s > 0 for s in sizes)
    if sizes and not (increasing and sizes[-1] == self.max_batch_size):
      raise ValueError(
        'allowed_batch_sizes must increase and end with max_batch_size, '
        f'{self.max_batch_size}. Received: {sizes}. '
        'Correct the batching parameters.'
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TlsSettings:
  """Keys of an encrypted port, all in PEM.

  Attributes:
    server_key: private key.
    server_cert: certificate, with those that vouch for it.
    custom_ca: authority whose clients are known; empty for none.
    client_verify: whether a client must show a certificate of it.
  """

  server_key: str
  server_cert: str
  custom_ca: str = ''
  client_verify: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings:
  """A model that is served.

  Attributes:
    name: name that requests ask for.
    base_path: folder of its versions.
    policy: which of them are served.
    labels: names of versions, such as `stable`.
  """

  name: str
  base_path: pathlib.Path
  policy: versions.Policy = versions.Policy()
  labels: Mapping[str, int] = dataclasses.field(default_factory=dict)


def read_batching_parameters(path: str | os.PathLike) -> BatchingParameters:
  """Reads `--batching_parameters_file`.

  Raises:
    ValueError: a field is unknown or outside its range.
    OSError: the file cannot be read.
  """
  proto = _read(path, _message('BatchingParameters'))
  fields = {}
  for field, value in proto.ListFields():
    fields[field.name] = getattr(value, 'value', value)
  if 'allowed_batch_sizes' in fields:
    fields['allowed_batch_sizes'] = tuple(fields['allowed_batch_sizes'])
  return BatchingParameters(**fields)


def read_metrics_path(path: str | os.PathLike) -> str:
  """Path of the metrics' page in `--monitoring_config_file`, '' for no page.

  Raises:
    ValueError: a field is unknown.
    OSError: the file cannot be read.
  """
  config = _read(path, _message('MonitoringConfig')).prometheus_config
  return (config.path or METRICS_PATH) if config.enable else ''


def read_tls(path: str | os.PathLike) -> TlsSettings:
  """Reads `--ssl_config_file`.

  Raises:
    ValueError: a field is unknown, or key or certificate is missing.
    OSError: the file cannot be read.
  """
  proto = _read(path, _message('SSLConfig'))
  if not (proto.server_key and proto.server_cert):
    raise ValueError(
      'An SSL configuration must hold server_key and server_cert, in PEM. '
      f'Received: {path}, without. Write the files into it, with \\n for the '
      'ends of their lines.'
    )
  if proto.client_verify and not proto.custom_ca:
    raise ValueError(
      'client_verify needs custom_ca, the authority of the clients, in PEM. '
      f'Received: {path}, without. Add it.'
    )
  return TlsSettings(**{f.name: value for f, value in proto.ListFields()})


def read_models(path: str | os.PathLike) -> list[ModelSettings]:
  """Reads `--model_config_file`.

  Raises:
    ValueError: a field is unknown, or the models cannot be served together.
    OSError: the file cannot be read.
  """
  return model_settings(_read(path, model_server_config_pb2.ModelServerConfig))


def model_settings(
  config: model_server_config_pb2.ModelServerConfig,
) -> list[ModelSettings]:
  """Models of a ModelServerConfig.

  Raises:
    ValueError: no model, a name or path is missing, a name comes twice, or a
      model is not TensorFlow's.
  """
  models = [_model(entry) for entry in config.model_config_list.config]
  names = [entry.name for entry in models]
  if not models or len(set(names)) < len(names):
    raise ValueError(
      'A model configuration must list models, each name once. '
      f'Received: {names or "none"}. Correct model_config_list.'
    )
  return models


def _model(entry: model_server_config_pb2.ModelConfig) -> ModelSettings:
  if not (entry.name and entry.base_path):
    raise ValueError(
      'A model must have a name and a base_path. '
      f'Received: name {entry.name!r}, base_path {entry.base_path!r}. '
      'Correct its config in model_config_list.'
    )
  if entry.model_platform != 'tensorflow':
    raise ValueError(
      'A model must have the model_platform "tensorflow". '
      f'Received: {entry.model_platform!r}, model {entry.name}. '
      'Correct its config in model_config_list.'
    )
  return ModelSettings(
    name=entry.name,
    base_path=pathlib.Path(entry.base_path),
    policy=_policy(entry.model_version_policy),
    labels=dict(entry.version_labels),
  )


def _policy(proto: _Policy.ServableVersionPolicy) -> versions.Policy:
  kind = proto.WhichOneof('policy_choice')
  if kind == 'all':
    return versions.Policy(latest=None)
  if kind == 'specific':
    return versions.Policy(specific=tuple(proto.specific.versions))
  # 0 is what the file did not say.
  return versions.Policy(latest=proto.latest.num_versions or 1)


def _message(name: str) -> type[Message]:
  return message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName(f'vlbert_tf.serving.{name}')
  )


def _read(path: str | os.PathLike, kind: type[Message]) -> Message:
  text = pathlib.Path(path).read_text(encoding='utf-8')
  try:
    return text_format.Parse(text, kind())
  except text_format.ParseError as error:
    raise ValueError(
      f'A {kind.DESCRIPTOR.name} file must be a text protocol buffer. '
      f'Received: {path}, {error}. Correct that line.'
    ) from error
