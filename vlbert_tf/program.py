"""What every program of this project does around its `main`.

A program ends with 0 only when its work is done. Bad input ends it with 1 and
one line on stderr; the trace is shown with `--verbosity=1`.
"""

import os
import sys
from collections.abc import Callable

from absl import app, flags, logging

# TensorFlow's C++ log speaks of CPU instructions and missing GPUs on every
# start, some of it as errors; real ones reach Python as exceptions, and should
# not have to be searched for among them.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# Models are of Keras 2. TensorFlow would import Keras 3 as well: a second on
# every start.
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

_HELP_FLAGS = {'--help', '-help', '--helpshort', '--helpfull'}


def run(
  main: Callable[[list[str]], None], usage: str, leaves_at_once: bool = False
) -> None:
  """Runs `main` as a program.

  Args:
    main: takes the positional arguments, without the program's name.
    usage: text of `--help`, with examples; usually the module's docstring.
    leaves_at_once: whether the process ends with `main`, before Python and
      TensorFlow take their objects apart. An endless input pipeline has a
      thread that sleeps for up to a minute, and they would wait for it.
  """
  sys.modules['__main__'].__doc__ = usage
  # absl lists the flags of the module that is run, which is the script of the
  # installation.
  for flag in flags.FLAGS.get_key_flags_for_module(main.__module__):
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)

  def guarded(argv: list[str]) -> None:
    try:
      main(argv[1:])
    except KeyboardInterrupt:
      sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last line of defence.
      if logging.get_verbosity() >= logging.DEBUG:
        raise
      print(f'Error: {_one_line(error)}', file=sys.stderr)
      sys.exit(1)

  logging.set_verbosity(logging.INFO)
  try:
    app.run(guarded)
  except SystemExit as end:
    # absl ends with 1 after a help text that was asked for.
    if _HELP_FLAGS & set(sys.argv[1:]):
      sys.exit(0)
    if not leaves_at_once or isinstance(end.code, str):
      raise
    logging.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end.code or 0)


def require(**named: object) -> None:
  """Fails when a flag that the program cannot work without is empty.

  Args:
    **named: flag names with their values.

  Raises:
    ValueError: a value is None or empty.
  """
  missing = [f'--{name}' for name, value in named.items() if not value]
  if missing:
    raise ValueError(
      f'This program needs {", ".join(missing)}. '
      f'Received: {" ".join(sys.argv[1:]) or "no flags"}. '
      f'See {os.path.basename(sys.argv[0])} --help.'
    )


def _one_line(error: Exception) -> str:
  text = ' '.join(str(error).split()) or type(error).__name__
  # Gin, which Model Garden's trainer is built by, adds who called whom.
  text = text.partition(' In call to configurable')[0]
  if isinstance(error, (ValueError, flags.Error)):
    return text
  return f'{type(error).__name__}: {text}'
