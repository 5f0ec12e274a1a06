"""What a server tells of a model: what it takes, and whether it is loaded.

By GetModelMetadata and GetModelStatus. As in `serving.messages`, only what is
read here is declared.
"""

import dataclasses

from google.protobuf import message_factory

from serving import messages

_FIELD = 'signature_def'
# Of ModelVersionStatus: START and LOADING.
_ON_THE_WAY = (10, 20)

# Of get_model_metadata.proto, get_model_status.proto and meta_graph.proto.
_POOL = messages.declare(
  {
    'ModelSpec': {'name': (1, 'string')},
    'MetadataRequest': {
      'model_spec': (1, 'ModelSpec'),
      'metadata_field': (2, ['string']),
    },
    'Any': {'value': (2, 'bytes')},
    'NamedAny': {'key': (1, 'string'), 'value': (2, 'Any')},
    'MetadataResponse': {'metadata': (2, ['NamedAny'])},
    'Named': {'key': (1, 'string')},
    'SignatureDef': {'inputs': (1, ['Named'])},
    'NamedSignature': {'key': (1, 'string'), 'value': (2, 'SignatureDef')},
    'SignatureDefMap': {'signature_def': (1, ['NamedSignature'])},
    'StatusRequest': {'model_spec': (1, 'ModelSpec')},
    'VersionStatus': {'state': (2, 'int32')},
    'StatusResponse': {'model_version_status': (1, ['VersionStatus'])},
  }
)


def _message_class(name: str) -> type:
  return message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName(f'vlbert_tf.serving.{name}')
  )


@dataclasses.dataclass(frozen=True)
class Kind:
  """One thing that can be asked about a model.

  Attributes:
    method: of gRPC.
    request: class of the message that asks.
    response: class of the answer.
    fields: of the request, beside the model's name.
  """

  method: str
  request: type
  response: type
  fields: tuple[tuple[str, object], ...] = ()

  def request_for(self, model_name: str) -> object:
    """The message that asks about a model."""
    return self.request(model_spec={'name': model_name}, **dict(self.fields))


SIGNATURES = Kind(
  '/tensorflow.serving.PredictionService/GetModelMetadata',
  _message_class('MetadataRequest'),
  _message_class('MetadataResponse'),
  (('metadata_field', [_FIELD]),),
)
STATUS = Kind(
  '/tensorflow.serving.ModelService/GetModelStatus',
  _message_class('StatusRequest'),
  _message_class('StatusResponse'),
)
_SignatureDefMap = _message_class('SignatureDefMap')


def input_names(response: object) -> dict[str, set[str]]:
  """Names of the inputs, by the key of the signature.

  Args:
    response: to `SIGNATURES`.

  Raises:
    ValueError: the response holds no signatures.
  """
  found = {entry.key: entry.value.value for entry in response.metadata}
  if _FIELD not in found:
    raise ValueError(
      f'Metadata must hold {_FIELD}. Received: {sorted(found)}. '
      'Ask a server of TensorFlow Serving.'
    )
  return {
    entry.key: {field.key for field in entry.value.inputs}
    for entry in _SignatureDefMap.FromString(found[_FIELD]).signature_def
  }


def is_loading(response: object) -> bool:
  """Whether a version will be there soon.

  Args:
    response: to `STATUS`.
  """
  return any(
    status.state in _ON_THE_WAY for status in response.model_version_status
  )
