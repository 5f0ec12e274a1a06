"""Sizes as flags give them."""


def read_sizes(flag: str, values: list[str]) -> tuple[int, ...]:
  """Reads them.

  Args:
    flag: that they come from, for the message.
    values: as they were written.

  Returns:
    Positive numbers in increasing order.

  Raises:
    ValueError: they are no such numbers.
  """
  try:
    sizes = tuple(int(value) for value in values)
  except ValueError:
    sizes = (0,)
  if list(sizes) != sorted(set(sizes)) or min(sizes, default=1) < 1:
    raise ValueError(
      f'--{flag} must be positive whole numbers that increase. '
      f'Received: {",".join(values)}.'
    )
  return sizes
