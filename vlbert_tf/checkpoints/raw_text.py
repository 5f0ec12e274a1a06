"""Word ids of bare questions and queries, put into the model's sequence."""

import dataclasses

import numpy as np

# BERT's, in its published vocabularies.
CLS, SEP, MASK = 101, 102, 103


@dataclasses.dataclass
class RawText:
  """A batch of sequences.

  Attributes:
    ids: int32 `[B, T]`, zero in padding.
    mask: bool `[B, T]`.
    segments: int32 `[B, T]`.
    rois: int32 `[B, T]`, the RoI that each word names, 0 the whole image.
  """

  ids: np.ndarray
  mask: np.ndarray
  segments: np.ndarray
  rois: np.ndarray


@dataclasses.dataclass(frozen=True)
class Section:
  """A part of each sequence, without special words.

  Attributes:
    ids: `[B, L]`.
    lengths: `[B]`.
    rois: `[B, L]`, or None when no word names a RoI.
  """

  ids: np.ndarray
  lengths: np.ndarray
  rois: np.ndarray | None = None


def given(ids: np.ndarray, lengths: np.ndarray) -> RawText:
  """Sequences that carry their special words already, in one segment."""
  mask = np.arange(ids.shape[1])[None] < lengths[:, None]
  nothing = np.zeros(ids.shape, np.int32)
  return RawText(
    np.where(mask, ids, 0).astype(np.int32), mask, nothing, nothing
  )


def joined(*sections: Section) -> RawText:
  """`[CLS] first [SEP] second [SEP] …`, a segment for each section."""
  batch = len(sections[0].lengths)
  rows = []
  for i in range(batch):
    row = [(CLS, 0, 0)]
    for segment, section in enumerate(sections):
      length = int(section.lengths[i])
      words = section.ids[i, :length]
      rois = np.zeros(length) if section.rois is None else section.rois[i]
      row += [
        (int(word), segment, max(int(roi), 0))
        for word, roi in zip(words, rois[:length], strict=True)
      ]
      row.append((SEP, segment, 0))
    rows.append(row)
  longest = max(map(len, rows))
  padded = np.zeros([batch, longest, 3], np.int32)
  mask = np.zeros([batch, longest], bool)
  for i, row in enumerate(rows):
    padded[i, : len(row)] = row
    mask[i, : len(row)] = True
  return RawText(padded[..., 0], mask, padded[..., 1], padded[..., 2])
