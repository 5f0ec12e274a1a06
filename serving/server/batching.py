"""Requests that come at the same time run as one batch.

As TensorFlow Serving's batching session does with the same parameters, but
for one thing: when a batch fails in the graph, its requests are run apart, so
that only the bad one gets the error.
"""

import collections
import dataclasses
import itertools
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from concurrent import futures

import tensorflow as tf

from serving.server import metrics, model, scheduling, settings

# The default parameters would let 12,000 calls in on two cores.
_MAX_CALLS = 1024


@dataclasses.dataclass(kw_only=True, eq=False)
class _Task:
  """One request in a queue."""

  inputs: Mapping[str, tf.Tensor]
  size: int
  deadline: float | None
  created: float
  result: futures.Future = dataclasses.field(default_factory=futures.Future)


@dataclasses.dataclass(kw_only=True, eq=False)
class _Batch:
  """Requests for the same signature that will run together."""

  version: model.LoadedVersion
  signature: str
  created: float
  tasks: list[_Task] = dataclasses.field(default_factory=list)
  size: int = 0
  is_closed: bool = False


class BatchScheduler:
  """Merges calls of any number of models.

  Attributes:
    capacity: calls that the server should take at a time.
  """

  def __init__(
    self,
    parameters: settings.BatchingParameters,
    measures: metrics.ServerMetrics,
  ) -> None:
    """Starts the threads that run batches."""
    self._parameters = parameters
    self._measures = measures
    self._timeout = parameters.batch_timeout_micros / 1e6
    threads = parameters.num_batch_threads
    batches = parameters.max_enqueued_batches + threads
    # Each call holds a thread. One more is let in, to hear that it is too many.
    self.capacity = min(parameters.max_batch_size * batches + 1, _MAX_CALLS)
    self._direct = scheduling.DirectCalls(measures, concurrent=threads)
    self._changed = threading.Condition()
    # A queue goes with its version, which the batches alone keep in memory.
    self._queues = weakref.WeakKeyDictionary()
    self._is_closed = False
    self._threads = [
      threading.Thread(target=self._work, daemon=True) for _ in range(threads)
    ]
    for thread in self._threads:
      thread.start()

  def call(
    self,
    version: model.LoadedVersion,
    signature: str,
    inputs: Mapping[str, tf.Tensor],
    deadline: float | None = None,
  ) -> scheduling.Tensors:
    """Runs a signature, if possible together with other calls.

    Args:
      version: of a model.
      signature: one of the version's; calls of one without a batch dimension
        run apart.
      inputs: exactly the inputs of the signature.
      deadline: time of `time.monotonic` after which nobody waits any more.

    Returns:
      All outputs by name, of the call's own rows.

    Raises:
      tf.errors.UnavailableError: the queue is full.
      tf.errors.DeadlineExceededError: the deadline passed before the start.
      tf.errors.InvalidArgumentError: inputs differ in their first size, or are
        larger than a batch may be.
      tf.errors.FailedPreconditionError: the shapes of a batch differ.
      tf.errors.OpError: raised inside the graph.
    """
    size = _rows(inputs) if version.is_batched(signature) else 0
    if not size:
      return self._direct.call(version, signature, inputs, deadline)
    limit = self._parameters.max_batch_size
    if size > limit:
      raise tf.errors.InvalidArgumentError(
        None,
        None,
        f'Task size {size} is larger than maximum input batch size {limit}',
      )
    task = _Task(
      inputs=inputs, size=size, deadline=deadline, created=time.monotonic()
    )
    self._enqueue(task, version, signature)
    return task.result.result()

  def close(self) -> None:
    """Runs what waits, then ends the threads."""
    with self._changed:
      self._is_closed = True
      self._changed.notify_all()
    for thread in self._threads:
      thread.join()

  def _enqueue(
    self, task: _Task, version: model.LoadedVersion, signature: str
  ) -> None:
    parameters = self._parameters
    with self._changed:
      queues = self._queues.setdefault(version, {})
      queue = queues.setdefault(signature, collections.deque())
      if not queue or queue[-1].size + task.size > parameters.max_batch_size:
        if self._is_closed or len(queue) >= parameters.max_enqueued_batches:
          raise tf.errors.UnavailableError(
            None,
            None,
            'The batch scheduling queue to which this task was submitted is '
            'full',
          )
        if queue:
          queue[-1].is_closed = True
        queue.append(
          _Batch(version=version, signature=signature, created=task.created)
        )
      batch = queue[-1]
      batch.tasks.append(task)
      batch.size += task.size
      batch.is_closed = batch.size == parameters.max_batch_size
      self._changed.notify()

  def _work(self) -> None:
    while batch := self._next_batch():
      for task in batch.tasks:
        self._measures.queuing_latency.observe(
          1e6 * (time.monotonic() - task.created),
          self._parameters.thread_pool_name,
        )
      self._run(batch, batch.tasks)
      # The version may be unloaded while this thread waits for work.
      del batch

  def _next_batch(self) -> _Batch | None:
    """The oldest batch that is full or has waited; None at the end."""
    with self._changed:
      while True:
        queue = self._oldest_queue()
        now = time.monotonic()
        if queue and self._due(queue[0]) <= now:
          # What is left may be due as well, and others may be asleep.
          self._changed.notify()
          return queue.popleft()
        if self._is_closed and not queue:
          return None
        wait = self._due(queue[0]) - now if queue else None
        # Nothing may keep a version alive during the wait.
        del queue
        self._changed.wait(wait)

  def _oldest_queue(self) -> collections.deque[_Batch] | None:
    waiting = [
      queue
      for queues in self._queues.values()
      for queue in queues.values()
      if queue
    ]
    return min(waiting, key=lambda queue: self._due(queue[0]), default=None)

  def _due(self, batch: _Batch) -> float:
    is_ready = batch.is_closed or self._is_closed
    return batch.created + (0 if is_ready else self._timeout)

  def _run(self, batch: _Batch, tasks: Sequence[_Task]) -> None:
    """Answers tasks of a batch; halves them when they fail together."""
    tasks = [task for task in tasks if not _has_expired(task)]
    if not tasks:
      return
    try:
      inputs = self._merge(tasks)
    except Exception as error:  # noqa: BLE001 - each caller gets an answer.
      _fail(tasks, error)
      return
    try:
      outputs = _split(
        scheduling.timed_call(
          self._measures, batch.version, batch.signature, inputs
        ),
        tasks,
        _rows(inputs),
      )
    except Exception as error:  # noqa: BLE001 - each caller gets an answer.
      if len(tasks) == 1:
        _fail(tasks, error)
        return
      half = len(tasks) // 2
      self._run(batch, tasks[:half])
      self._run(batch, tasks[half:])
      return
    for task, output in zip(tasks, outputs, strict=True):
      task.result.set_result(output)

  def _merge(self, tasks: Sequence[_Task]) -> scheduling.Tensors:
    """Rows of all tasks and, up to an allowed size, copies of the first."""
    size = sum(task.size for task in tasks)
    allowed = [s for s in self._parameters.allowed_batch_sizes if s >= size]
    padding = allowed[0] - size if allowed else 0
    self._measures.processed_batch_size.observe(size + padding)
    merged = {}
    for name in tasks[0].inputs:
      tensors = self._of_one_shape(name, [task.inputs[name] for task in tasks])
      if padding:
        tensors.append(tf.repeat(tensors[0][:1], padding, axis=0))
      merged[name] = tf.concat(tensors, 0) if len(tensors) > 1 else tensors[0]
    return merged

  def _of_one_shape(
    self, name: str, tensors: Sequence[tf.Tensor]
  ) -> list[tf.Tensor]:
    """Tensors that differ in their first size alone, padded for it if so set.

    Raises:
      tf.errors.FailedPreconditionError: they differ, and are not to be padded.
    """
    shapes = {tuple(tensor.shape[1:]) for tensor in tensors}
    if len(shapes) == 1:
      return list(tensors)
    if not self._parameters.pad_variable_length_inputs:
      raise tf.errors.FailedPreconditionError(
        None,
        None,
        f"Tensors with name '{name}' from different tasks have different "
        f'shapes and padding is turned off: {sorted(shapes)}. Set '
        'pad_variable_length_inputs to true, or ensure that all tensors with '
        'the same name have equal dimensions starting with the first dim.',
      )
    sizes = [max(column) for column in zip(*shapes, strict=True)]
    return [_padded(tensor, sizes) for tensor in tensors]


def _padded(tensor: tf.Tensor, sizes: Sequence[int]) -> tf.Tensor:
  """A tensor grown to `sizes` beyond its first, filled with its first element.

  That element is TensorFlow Serving's choice.
  """
  missing = [
    (0, size - have) for size, have in zip(sizes, tensor.shape[1:], strict=True)
  ]
  first = tf.reshape(tensor, [-1])[0]
  return tf.pad(tensor, [(0, 0), *missing], constant_values=first)


def _rows(inputs: Mapping[str, tf.Tensor]) -> int:
  """First size of all inputs."""
  sizes = {tensor.shape[0] for tensor in inputs.values()}
  if len(sizes) > 1:
    raise tf.errors.InvalidArgumentError(
      None, None, 'Batching Run() input tensors must have equal 0th-dimension '
      f'size. Received: {sorted(sizes)}.',
    )  # fmt: skip
  return sizes.pop()


def _split(
  outputs: Mapping[str, tf.Tensor], tasks: Sequence[_Task], size: int
) -> list[scheduling.Tensors]:
  """Each task's rows of the outputs."""
  for name, tensor in outputs.items():
    if tensor.shape[:1] != [size]:
      raise tf.errors.FailedPreconditionError(
        None,
        None,
        "Batched output tensor's 0th dimension does not equal the sum of the "
        f'0th dimension sizes of the input tensors: {name}, '
        f'{tensor.shape}, {size} rows.',
      )
  ends = list(itertools.accumulate(task.size for task in tasks))
  return [
    {k: tensor[end - task.size : end] for k, tensor in outputs.items()}
    for task, end in zip(tasks, ends, strict=True)
  ]


def _has_expired(task: _Task) -> bool:
  try:
    scheduling.check_deadline(task.deadline)
  except tf.errors.DeadlineExceededError as error:
    task.result.set_exception(error)
    return True
  return False


def _fail(tasks: Sequence[_Task], error: Exception) -> None:
  for task in tasks:
    task.result.set_exception(error)
