"""What a run got right on the test split, all of it and held-out parts."""

import dataclasses
import json
import os
import pathlib

from vlbert_tf.data.readers import coco, refcoco
from vlbert_tf.evaluation import refcoco as grounding
from vlbert_tf.evaluation import vcr, vqa
from vlbert_tf.walkthrough import programs

ALL = 'all'
HELD_OUT = 'held_out'
IMAGE_HIDDEN = 'image_hidden'
BLIND = 'blind'

# By what was tested, the metrics in per cent; `examples` is a count.
Metrics = dict[str, dict[str, float]]

GROUNDING_SPLITS = ('testA', 'testB')


@dataclasses.dataclass(frozen=True)
class HeldOut:
  """The objects of the test split whose color and shape were seen apart.

  Attributes:
    instances: of the test images.
    categories: numbers of the held-out categories.
  """

  instances: coco.Instances
  categories: frozenset[int]

  @classmethod
  def of(cls, data: pathlib.Path) -> 'HeldOut':
    """Reads `held_out.txt` and the test instances of generated data."""
    instances = coco.read_instances(str(data / 'instances_test.json'))
    path = data / 'held_out.txt'
    names = path.read_text().splitlines() if path.exists() else []
    return cls(
      instances, frozenset(instances.categories.index(n) + 1 for n in names)
    )

  def in_image(self, image_id: int) -> bool:
    """Whether an image shows one of them."""
    regions = self.instances.of_id(image_id).regions
    return any(region.category in self.categories for region in regions)

  def is_box(self, image_id: int, box: tuple[float, ...]) -> bool:
    """Whether a box is that of one of them."""
    return any(
      region.category in self.categories and tuple(region.box) == tuple(box)
      for region in self.instances.of_id(image_id).regions
    )

  def is_object(self, file_name: str, number: int) -> bool:
    """Whether the object of this number in a file's image is one of them."""
    region = self.instances.of_file(file_name).regions[number]
    return region.category in self.categories


def answers(results: str, data: pathlib.Path, held_out: HeldOut) -> Metrics:
  """Judges answers; held out are questions about images with such an object.

  Args:
    results: VQA's result file for the test split.
    data: generated data.
    held_out: of it.

  Returns:
    `accuracy` of all, and of those held out where there are some.
  """
  path = str(programs.annotations_file(data, 'test'))
  judged = vqa.evaluate_results(results, path)
  found: Metrics = {
    ALL: {'accuracy': judged.overall, 'examples': judged.questions}
  }
  given = vqa.read_results(results)
  accuracies = [
    vqa.question_accuracy(
      given[row['question_id']], [one['answer'] for one in row['answers']]
    )
    for row in json.loads(pathlib.Path(path).read_text())['annotations']
    if held_out.in_image(row['image_id'])
  ]
  if accuracies:
    found[HELD_OUT] = {
      'accuracy': 100 * sum(accuracies) / len(accuracies),
      'examples': len(accuracies),
    }
  return found


def blind_answers(data: pathlib.Path, scratch: str) -> float:
  """VQA accuracy of the most frequent answer of each type of question."""
  train, test = (
    str(programs.annotations_file(data, split)) for split in ('train', 'test')
  )
  vqa.write_results(scratch, vqa.most_frequent_answers(train, test))
  return vqa.evaluate_results(scratch, test).overall


def boxes(
  results: list[str], data: pathlib.Path, held_out: HeldOut, scratch: str
) -> Metrics:
  """Judges boxes; held out are expressions that mean such an object.

  Args:
    results: RefCOCO+'s result files of the test splits.
    data: generated data.
    held_out: of it.
    scratch: file to write in between.

  Returns:
    `accuracy` and `chance`, that of a random annotated box, of all and of
    those held out where there are some.
  """
  folder = data / 'refcoco+'
  instances = coco.read_instances(str(folder / 'instances.json'))
  targets, apart = {}, {}
  for split in GROUNDING_SPLITS:
    for expression_id, image_id, box in refcoco.read_targets(
      str(folder / 'refs(unc).p'), split, instances
    ):
      candidates = [r.box for r in instances.of_id(image_id).regions]
      targets[expression_id] = grounding.Target(box, candidates)
      if held_out.is_box(image_id, box):
        apart[expression_id] = targets[expression_id]
  given = {
    number: box.tolist()
    for path in results
    for number, box in grounding.read_results(path).items()
  }

  def judged(wanted):
    grounding.write_results(scratch, ((k, given[k]) for k in wanted))
    return _plain(grounding.evaluate_results(scratch, wanted).as_dict())

  found = {ALL: judged(targets)}
  if apart:
    found[HELD_OUT] = judged(apart)
  return found


def choices(
  results: list[str], data: pathlib.Path, held_out: HeldOut, scratch: str
) -> Metrics:
  """Judges choices; held out are questions about such an object.

  Args:
    results: VCR's result files of both halves.
    data: generated data.
    held_out: of it.
    scratch: file to write in between.

  Returns:
    `Q->A`, `QA->R` and `Q->AR` of all and of those held out where there are
    some.
  """
  path = data / 'vcr' / 'test.jsonl'
  found = {ALL: _plain(vcr.evaluate_results(results, str(path)).as_dict())}
  apart = []
  for line in path.read_text().splitlines():
    row = json.loads(line)
    (number,) = next(part for part in row['question'] if not _is_word(part))
    if held_out.is_object(os.path.basename(row['img_fn']), number):
      apart.append(line)
  if apart:
    pathlib.Path(scratch).write_text('\n'.join(apart))
    found[HELD_OUT] = _plain(vcr.evaluate_results(results, scratch).as_dict())
  return found


def _is_word(part: str | list[int]) -> bool:
  return isinstance(part, str)


def _plain(values: dict) -> dict[str, float]:
  """Metrics with one name for how many examples there were."""
  counts = ('expressions', 'questions')
  return {('examples' if k in counts else k): v for k, v in values.items()}
