"""Prometheus' text format, and what a server counts."""

import urllib.error
import urllib.request

import grpc
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server import listener, metrics, model, monitoring, registry
from tests.serving.toy_requests import DEADLINE, predict_request


def test_a_counter_counts_for_each_combination_of_labels():
  counter = metrics.Counter('calls', 'Calls.', ['model', 'status'])
  for status in ('OK', 'NO', 'OK'):
    counter.add('a"b\\c\n', status)

  assert list(counter.lines()) == [
    r'calls{model="a\"b\\c\n",status="NO"} 1',
    r'calls{model="a\"b\\c\n",status="OK"} 2',
  ]


def test_a_histogram_counts_all_that_lies_below_each_bound():
  histogram = metrics.Histogram('size', 'Sizes.', ['model'], [1, 2.5])
  for value in (0.5, 1, 2, 7):
    histogram.observe(value, 'a')

  assert list(histogram.lines()) == [
    'size_bucket{model="a",le="1"} 2',
    'size_bucket{model="a",le="2.5"} 3',
    'size_bucket{model="a",le="+Inf"} 4',
    'size_sum{model="a"} 10.5',
    'size_count{model="a"} 4',
  ]


@pytest.fixture(scope='module')
def page(export_root):
  """Metrics of a server after two answers and two refusals."""
  measures = metrics.ServerMetrics()
  version = model.LoadedVersion('toy', export_root / '7')
  server = listener.Listener(registry.Registry([version]), measures=measures)
  pages = monitoring.MetricsPage(
    measures.page, '/metrics', host='127.0.0.1', port=0
  )
  with grpc.insecure_channel(server.address) as channel:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    for name, signature in (
      ('toy', 'arithmetic'),
      ('toy', 'arithmetic'),
      ('toy', 'classify'),
      ('a name of the caller', 'arithmetic'),
    ):
      request = predict_request(signature, x=[1.0])
      request.model_spec.name = name
      stub.Predict.future(request, timeout=DEADLINE).code()  # waits
  yield f'http://{pages.address}/metrics'
  pages.close()
  server.drain(0)


def test_a_server_counts_requests_by_model_and_status(page):
  with urllib.request.urlopen(page, timeout=DEADLINE) as response:
    content_type = response.headers['Content-Type']
    lines = response.read().decode().splitlines()

  assert content_type.startswith('text/plain; version=0.0.4')
  count = ':tensorflow:serving:request_count'
  assert f'# TYPE {count} counter' in lines
  assert {line for line in lines if line.startswith(f'{count}{{')} == {
    f'{count}{{model_name="toy",status="OK"}} 2',
    f'{count}{{model_name="toy",status="FAILED_PRECONDITION"}} 1',
    # A caller's invention would be kept in memory for ever.
    f'{count}{{model_name="",status="NOT_FOUND"}} 1',
  }
  latency = ':tensorflow:serving:request_latency'
  labels = 'model_name="toy",API="Predict",entrypoint="GRPC"'
  assert f'{latency}_count{{{labels}}} 3' in lines
  assert f'{latency}_bucket{{{labels},le="+Inf"}} 3' in lines
  runtime = ':tensorflow:serving:runtime_latency'
  labels = 'model_name="toy",API="Predict",runtime="TF2"'
  assert f'{runtime}_count{{{labels}}} 2' in lines


def test_other_pages_are_not_found(page):
  with pytest.raises(urllib.error.HTTPError) as caught:
    urllib.request.urlopen(f'{page}/more', timeout=DEADLINE)

  assert caught.value.code == 404
