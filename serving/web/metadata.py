"""What a served model takes, read with GetModelMetadata.

As in `serving.messages`, only what is read here is declared.
"""

from google.protobuf import message_factory

from serving import messages

METHOD = '/tensorflow.serving.PredictionService/GetModelMetadata'

_FIELD = 'signature_def'

# Of get_model_metadata.proto and meta_graph.proto.
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
  }
)


def _message_class(name: str) -> type:
  return message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName(f'vlbert_tf.serving.{name}')
  )


Request = _message_class('MetadataRequest')
Response = _message_class('MetadataResponse')
_SignatureDefMap = _message_class('SignatureDefMap')


def request_for(model_name: str) -> Request:
  """Asks for the signatures of a model."""
  return Request(model_spec={'name': model_name}, metadata_field=[_FIELD])


def input_names(response: Response) -> dict[str, set[str]]:
  """Names of the inputs, by the key of the signature.

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
