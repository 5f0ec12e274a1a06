"""The client for asyncio.

async with AsyncClient('127.0.0.1:8500') as client:
  answer = await client.ask('street.jpg', 'What color is the bus?')
"""

import asyncio
import os
from collections.abc import Sequence

import grpc

from serving import answers, client, connection, requests


class AsyncClient:
  """`client.Client` with methods to be awaited, for one event loop."""

  def __init__(
    self, target: str, model_name: str = 'vlbert', **options
  ) -> None:
    """Prepares a connection; see `client.Client`."""
    self._settings = connection.Settings(
      target=target, model_name=model_name, **options
    )
    self._channel = client.open_channel(grpc.aio, self._settings)
    self._predict = client.predict_method(self._channel)

  async def __aenter__(self) -> 'AsyncClient':
    return self

  async def __aexit__(self, *error: object) -> None:
    await self.close()

  async def close(self) -> None:
    """Closes the connection; requests under way fail."""
    await self._channel.close()

  async def ask(
    self,
    image: bytes | str | os.PathLike,
    question: str,
    boxes: Sequence[requests.Box] | None = None,
  ) -> answers.Answer:
    """Asks a question about an image; see `client.Client.ask`."""
    # Reading and decoding would hold the loop up.
    request = await asyncio.to_thread(
      client.question_of, image, question, boxes
    )
    return await self.send(request)

  async def send(self, request: requests.Request) -> answers.AnyAnswer:
    """Sends a request of any kind; see `client.Client.send`."""
    (result,) = await self.send_all([request])
    return connection.answered(self._settings, result)

  async def send_all(
    self, asked: Sequence[requests.Request]
  ) -> list[answers.AnyAnswer | answers.Refusal]:
    """Sends requests in batches at the same time; see `client.Client`."""
    batches = connection.batches(self._settings, asked)
    found = await asyncio.gather(
      *(self._call([asked[i] for i in positions]) for positions in batches)
    )
    results = [None] * len(asked)
    for positions, batch in zip(batches, found, strict=True):
      for i, result in zip(positions, batch, strict=True):
        results[i] = result
    return results

  async def _call(
    self, batch: Sequence[requests.Request]
  ) -> list[answers.AnyAnswer | answers.Refusal]:
    call = await asyncio.to_thread(connection.Call, self._settings, batch)
    message = call.message()
    while True:
      try:
        response = await self._predict(message, timeout=call.remaining())
        return call.read(response)
      except grpc.RpcError as error:
        wait = call.wait_after(error)
      await asyncio.sleep(wait)
