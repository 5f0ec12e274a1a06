"""Numbers about the server, in the text format of Prometheus.

Names, labels and buckets are those of TensorFlow Serving, so that one
dashboard shows either server.
"""

import bisect
import itertools
import threading
from collections.abc import Iterator, Sequence

CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

# Microseconds: 10 · 1.8^k up to about 20 minutes.
_LATENCIES = tuple(10 * 1.8**k for k in range(33))
_SIZES = tuple(float(2**k) for k in range(14))


class Counter:
  """A number that grows, one for each combination of labels."""

  kind = 'counter'

  def __init__(self, name: str, meaning: str, labels: Sequence[str]) -> None:
    self.name = name
    self.meaning = meaning
    self._labels = tuple(labels)
    self._lock = threading.Lock()
    self._values: dict[tuple[str, ...], float] = {}

  def add(self, *labels: str) -> None:
    """Counts one more."""
    with self._lock:
      self._values[labels] = self._values.get(labels, 0) + 1

  def lines(self) -> Iterator[str]:
    """Samples as Prometheus reads them."""
    with self._lock:
      values = sorted(self._values.items())
    for labels, value in values:
      yield f'{self.name}{_braces(self._labels, labels)} {value:g}'


class Histogram:
  """How often a measure fell below each bound, for each label's value."""

  kind = 'histogram'

  def __init__(
    self,
    name: str,
    meaning: str,
    labels: Sequence[str],
    bounds: Sequence[float],
  ) -> None:
    self.name = name
    self.meaning = meaning
    self._labels = tuple(labels)
    self._bounds = tuple(bounds)
    self._lock = threading.Lock()
    self._counts: dict[tuple[str, ...], list[int]] = {}
    self._sums: dict[tuple[str, ...], float] = {}

  def observe(self, value: float, *labels: str) -> None:
    """Adds one measure."""
    with self._lock:
      counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
      # A bound belongs to the bucket below it.
      counts[bisect.bisect_left(self._bounds, value)] += 1
      self._sums[labels] = self._sums.get(labels, 0.0) + value

  def lines(self) -> Iterator[str]:
    """Samples as Prometheus reads them."""
    with self._lock:
      found = sorted((k, list(v)) for k, v in self._counts.items())
      sums = dict(self._sums)
    names = (*self._labels, 'le')
    bounds = [*(f'{bound:g}' for bound in self._bounds), '+Inf']
    for labels, counts in found:
      below = itertools.accumulate(counts)
      for bound, count in zip(bounds, below, strict=True):
        yield f'{self.name}_bucket{_braces(names, (*labels, bound))} {count}'
      suffix = _braces(self._labels, labels)
      yield f'{self.name}_sum{suffix} {sums[labels]:.12g}'
      yield f'{self.name}_count{suffix} {sum(counts)}'


class ServerMetrics:
  """All that this server measures; times are in microseconds."""

  def __init__(self) -> None:
    self.request_count = Counter(
      ':tensorflow:serving:request_count',
      'The total number of requests.',
      ['model_name', 'status'],
    )
    self.request_latency = Histogram(
      ':tensorflow:serving:request_latency',
      'Wall time of a request, in microseconds.',
      ['model_name', 'API', 'entrypoint'],
      _LATENCIES,
    )
    self.runtime_latency = Histogram(
      ':tensorflow:serving:runtime_latency',
      'Wall time of a run of the graph, in microseconds.',
      ['model_name', 'API', 'runtime'],
      _LATENCIES,
    )
    self.queuing_latency = Histogram(
      ':tensorflow:serving:batching_session:queuing_latency',
      'Wall time that a request waited for its batch, in microseconds.',
      ['thread_pool_name'],
      [100 * 1.2**k for k in range(52)],
    )
    self.processed_batch_size = Histogram(
      ':tensorflow:serving:batching_session:processed_batch_size',
      'Rows of a batch as it was run, padding included.',
      [],
      _SIZES,
    )

  def page(self) -> str:
    """Everything, in the text format."""
    lines = []
    for metric in vars(self).values():
      lines.append(f'# HELP {metric.name} {metric.meaning}')
      lines.append(f'# TYPE {metric.name} {metric.kind}')
      lines += metric.lines()
    return '\n'.join(lines) + '\n'


def _braces(names: Sequence[str], values: Sequence[str]) -> str:
  if not names:
    return ''
  pairs = zip(names, map(_escaped, values), strict=True)
  return '{' + ','.join(f'{name}="{value}"' for name, value in pairs) + '}'


def _escaped(value: str) -> str:
  return value.replace('\\', r'\\').replace('"', r'\"').replace('\n', r'\n')
