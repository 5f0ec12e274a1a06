"""What TensorFlow Serving promises of metadata and status, as test_contract."""

import grpc
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
  get_model_metadata_pb2,
  get_model_status_pb2,
  model_service_pb2_grpc,
)

from serving import signatures
from tests.serving.toy_requests import DEADLINE, refusal


@pytest.fixture(scope='module')
def models(channel):
  return model_service_pb2_grpc.ModelServiceStub(channel)


def metadata_request(*fields, name='toy'):
  request = get_model_metadata_pb2.GetModelMetadataRequest(
    metadata_field=fields
  )
  request.model_spec.name = name
  return request


def status_request(name, version=None):
  request = get_model_status_pb2.GetModelStatusRequest()
  request.model_spec.name = name
  if version is not None:
    request.model_spec.version.value = version
  return request


def served_signatures(prediction):
  response = prediction.GetModelMetadata(
    metadata_request('signature_def'), timeout=DEADLINE
  )
  found = get_model_metadata_pb2.SignatureDefMap()
  assert response.metadata['signature_def'].Unpack(found)
  return response.model_spec, found.signature_def


def test_metadata_holds_the_signatures_of_the_file(prediction, export_root):
  file = (export_root / '7' / 'saved_model.pb').read_bytes()
  graph = saved_model_pb2.SavedModel.FromString(file).meta_graphs[0]

  spec, served = served_signatures(prediction)

  assert dict(served) == dict(graph.signature_def)
  assert (spec.name, spec.version.value) == ('toy', 7)


def test_the_served_signature_is_the_one_that_clients_import(prediction):
  _, served = served_signatures(prediction)
  signature = served[signatures.VQA.name]

  for fields, infos in (
    (signatures.VQA.inputs, signature.inputs),
    (signatures.VQA.outputs, signature.outputs),
  ):
    assert set(infos) == set(fields)
    for name, field in fields.items():
      assert tf.as_dtype(infos[name].dtype).name == field.dtype
      assert len(infos[name].tensor_shape.dim) == len(field.shape)


def test_metadata_without_a_field_is_refused(prediction):
  code, details = refusal(prediction.GetModelMetadata, metadata_request())

  assert code is grpc.StatusCode.INVALID_ARGUMENT
  assert 'must specify at least one metadata_field' in details


def test_metadata_of_an_unknown_field_is_refused(prediction):
  code, details = refusal(
    prediction.GetModelMetadata, metadata_request('weights')
  )

  assert code is grpc.StatusCode.INVALID_ARGUMENT
  assert 'weights is not supported' in details


def test_metadata_of_an_unknown_model_is_not_found(prediction):
  code, _ = refusal(
    prediction.GetModelMetadata, metadata_request('signature_def', name='bert')
  )

  assert code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize('version', [None, 7])
def test_a_loaded_version_is_available(models, version):
  response = models.GetModelStatus(
    status_request('toy', version), timeout=DEADLINE
  )

  (status,) = response.model_version_status
  assert status.version == 7
  assert status.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
  assert status.HasField('status')
  assert status.status.error_code == 0


@pytest.mark.parametrize(
  ('name', 'version', 'sentence'),
  [
    ('bert', None, 'Could not find any versions of model bert'),
    ('bert', 7, 'model bert'),
    ('toy', 8, 'Could not find version 8 of model toy'),
  ],
)
def test_status_of_what_is_not_served_is_not_found(
  models, name, version, sentence
):
  code, details = refusal(models.GetModelStatus, status_request(name, version))

  assert code is grpc.StatusCode.NOT_FOUND
  assert sentence in details


def test_status_without_model_spec_is_refused(models):
  code, details = refusal(
    models.GetModelStatus, get_model_status_pb2.GetModelStatusRequest()
  )

  assert code is grpc.StatusCode.INVALID_ARGUMENT
  assert details == 'Missing ModelSpec'
