"""Images alone: a folder, or a list of what is in it.

A list is COCO's JSON, of which `images[] {id, file_name}` is read, or a table
of `id<TAB>path`; a line without a tab is a path that is its own id. Paths start
from the folder.
"""

import os
from collections.abc import Iterator

from vlbert_tf.data.annotations import Drop, ImageAnnotations
from vlbert_tf.data.readers import files, on_disk

# Those that no record can hold are listed as well: they are set aside, and
# counted.
_SUFFIXES = (
  '.jpg', '.jpeg', '.png', '.gif', '.bmp', '.tif', '.tiff', '.webp', '.heic',
)  # fmt: skip


def read_images(
  folder: str, index: str | None = None
) -> Iterator[ImageAnnotations | Drop]:
  """Lists images.

  Args:
    folder: of the images.
    index: path of a list; None for all files in the folder and below whose
      names end as those of images do, named by their path in it.

  Yields:
    Images, in the order of the list, and what was set aside.

  Raises:
    ValueError: there is no such folder or list, or it is malformed.
  """
  rows = _listed(index) if index else _in_folder(folder)
  with on_disk.database() as tables:
    tables.execute('CREATE TABLE seen (id PRIMARY KEY) WITHOUT ROWID')
    for image_id, path in rows:
      item = f'image {image_id or path}'
      lost = {'images': 1, 'annotations': 1}
      if not image_id or not path:
        yield Drop(item, 'row_malformed', 'It has no id or no path.', **lost)
      elif os.path.isabs(path) or '..' in path.split('/'):
        detail = f'{path} leaves the folder.'
        yield Drop(item, 'path_outside', detail, **lost)
      elif not on_disk.insert(tables, 'seen', image_id):
        yield Drop(item, 'image_duplicate', 'Its id came before.', **lost)
      else:
        yield ImageAnnotations(
          image_id, os.path.join(folder, path), without_text=True
        )


def _in_folder(folder: str) -> Iterator[tuple[str, str]]:
  for path in files.files_below(folder):
    if path.lower().endswith(_SUFFIXES):
      yield path, path


def _listed(index: str) -> Iterator[tuple[str, str]]:
  if index.endswith('.json'):
    for row in files.read_json(index, 'images')['images']:
      row = row if isinstance(row, dict) else {}
      yield str(row.get('id', '')), str(row.get('file_name', ''))
    return
  for line in files.lines(index):
    if line.strip():
      image_id, tab, path = line.rstrip('\r').partition('\t')
      yield image_id.strip(), (path if tab else image_id).strip()
