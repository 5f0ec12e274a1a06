"""Writes texts about objects as RefCOCO+ and VCR publish them.

    DIR/refcoco+/refs(unc).p, instances.json
    DIR/vcr/{train,val,test}.jsonl, categories.txt
    DIR/vcr/metadata/SPLIT/COCO_SPLIT2014_000000000017.json

Images are those of the questions; `img_fn` starts from DIR/images, and
`metadata_fn` from DIR/vcr/metadata. Unlike VCR's, the test split has labels.
"""

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

from vlbert_tf.data.scenes import official_files
from vlbert_tf.data.scenes.references import Choice
from vlbert_tf.data.scenes.world import SHAPES, Scene, outline

SCORE = 1.0  # of all boxes: nothing was detected
_SENTENCES_STRIDE = 10


class RegionFiles:
  """Collects what is written about objects, split by split."""

  def __init__(self, folder: Path):
    """Opens the folder.

    Args:
      folder: of the data set.
    """
    self._folder = folder
    self._references: list[dict[str, object]] = []
    self._images: list[dict[str, object]] = []
    self._instances: list[dict[str, object]] = []

  def add_split(self, split: str, generated: Sequence) -> None:
    """Writes VCR's files of a split, and keeps its references.

    Args:
      split: 'train', 'val' or 'test'.
      generated: its `generate.GeneratedImage`s; pixels are not looked at.
    """
    metadata = self._folder / 'vcr' / 'metadata' / split
    metadata.mkdir(parents=True)
    lines = []
    for each in generated:
      self._images.append(each.image)
      self._instances += each.instances
      self._references += each.references
      name = Path(each.file_name).with_suffix('.json').name
      (metadata / name).write_text(json.dumps(each.metadata))
      lines += each.choices
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (self._folder / 'vcr' / f'{split}.jsonl').write_text(text)

  def write(self, categories: Sequence[str], description: str) -> None:
    """Writes what holds for all splits.

    Args:
      categories: of the instances.
      description: what the data set is.
    """
    names = ''.join(f'{shape}\n' for shape in SHAPES)
    (self._folder / 'vcr' / 'categories.txt').write_text(names)
    target = self._folder / 'refcoco+'
    target.mkdir()
    content = pickle.dumps(self._references, protocol=2)
    (target / 'refs(unc).p').write_bytes(content)
    official_files.write_instances_file(
      target / 'instances.json',
      self._images,
      self._instances,
      categories,
      description,
    )


def reference_entries(
  split: str,
  image: dict[str, object],
  instances: Sequence[dict[str, object]],
  expressions: Sequence[tuple[int, str]],
) -> list[dict[str, object]]:
  """Elements of RefCOCO+'s list, one an object.

  Args:
    split: 'train', 'val' or 'test'; images of the last are of testA and testB
      in turn.
    image: COCO's entry.
    instances: COCO's entries of its objects, in order.
    expressions: number of the object, and what is said.
  """
  if split == 'test':
    split = ('testA', 'testB')[int(image['id']) % 2]
  entries = []
  for number, instance in enumerate(instances):
    texts = [text for of, text in expressions if of == number]
    first = int(instance['id']) * _SENTENCES_STRIDE
    if texts:
      entries.append(
        {
          'ref_id': instance['id'],
          'ann_id': instance['id'],
          'image_id': image['id'],
          'category_id': instance['category_id'],
          'split': split,
          'file_name': image['file_name'],
          'sent_ids': list(range(first, first + len(texts))),
          'sentences': [
            {
              'sent_id': first + k,
              'sent': text,
              'raw': text,
              'tokens': text.split(),
            }
            for k, text in enumerate(texts)
          ],
        }
      )
  return entries


def choice_entries(
  split: str, file_name: str, scene: Scene, choices: Sequence[Choice]
) -> list[dict[str, object]]:
  """Lines of VCR's file, without line ends."""
  stem = Path(file_name).stem
  return [
    {
      'movie': 'scenes',
      'objects': [each.shape for each in scene.objects],
      'img_fn': f'{split}/{file_name}',
      'metadata_fn': f'{split}/{stem}.json',
      'question': choice.question,
      'answer_choices': choice.answers,
      'answer_label': choice.answer_label,
      'rationale_choices': choice.rationales,
      'rationale_label': choice.rationale_label,
      'img_id': stem,
      'question_number': number,
      'annot_id': f'{stem}-{number}',
      'match_fold': f'{split}-0',
    }
    for number, choice in enumerate(choices)
  ]


def metadata_entry(scene: Scene) -> dict[str, object]:
  """VCR's metadata of an image."""
  return {
    'boxes': [[*each.box, SCORE] for each in scene.objects],
    'segms': [
      [outline(each, scene.width, scene.height)] for each in scene.objects
    ],
    'names': [each.shape for each in scene.objects],
    'width': scene.width,
    'height': scene.height,
  }
