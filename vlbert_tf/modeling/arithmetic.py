"""Where the paper and the released code compute differently.

`PAPER` is VL-BERT as published, `OFFICIAL` what the authors' released weights
were trained with. Layers read the fields; none asks which of the two it is.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arithmetic:
  """Choices that change what the same weights compute.

  Attributes:
    box_coding: `corners` (VL-BERT §3.2) or `centers` with width and height.
    last_pixel_corner: whether the whole image is the box that ends with the
      last pixel, (0, 0, W - 1, H - 1), rather than the image's far edge.
    network_sees_padding: whether the visual network treats what pads an image
      as pixels, so that an image's features depend on its batch.
    dilated_res5: whether res5 has stride 1 and dilation 2, rather than the
      stride of a plain ResNet.
    appearance_norm: whether appearance is normalised before it meets geometry.
    projection_dropout: of appearance and geometry before their projection.
    projection_relu: whether a ReLU follows that projection.
    visual_norm: `scaled`: one norm for all elements, its output brought to
      the size of the other embeddings; `fading`: one for words and one for
      RoIs, whose scales start at zero.
    hidden_roi: what a masked RoI loses: its `visual` embedding for a learned
      one (VL-BERT §3.3), or its `token` for a learned one, and its
      appearance as well where that was computed beforehand.
    image_appearance: of the whole image, where appearance was computed
      beforehand: the one `given`, unless a RoI is hidden, or always the
      `mean` of the visible RoIs.
    image_is_roi: whether the whole image is one more RoI of the sequence.
    end_sees_image: whether [END] has the whole image's visual embedding.
    relationship_classes: outputs of the relationship head: one logit, or one
      for unrelated and one for related pairs.
    roi_category_norm: whether the RoI category head normalises.
    classifier: of answers and candidates: `transform` (dense, GELU, norm, as
      of masked words), `two_layers` (dense, ReLU) or `one_layer`.
    geometry: whether boxes are embedded; off, zeros take that place.
    words_see_image: whether words and other elements that are no RoI have the
      whole image's visual embedding.
    shared_roi_position: whether all RoIs have one position; off, they are
      numbered in their order, and [END] follows.
    zeroed_pixels: whether the pixels of masked RoIs are set to zero.
  """

  box_coding: str
  last_pixel_corner: bool
  network_sees_padding: bool
  dilated_res5: bool
  appearance_norm: bool
  projection_dropout: float
  projection_relu: bool
  visual_norm: str
  hidden_roi: str
  image_appearance: str
  image_is_roi: bool
  end_sees_image: bool
  relationship_classes: int
  roi_category_norm: bool
  classifier: str
  # Off in no model that was published: each is there to be left out, to
  # measure what it is good for.
  geometry: bool = True
  words_see_image: bool = True
  shared_roi_position: bool = True
  zeroed_pixels: bool = True


PAPER = Arithmetic(
  box_coding='corners',
  last_pixel_corner=False,
  network_sees_padding=False,
  dilated_res5=False,
  appearance_norm=True,
  projection_dropout=0.0,
  projection_relu=False,
  visual_norm='scaled',
  hidden_roi='visual',
  image_appearance='given',
  image_is_roi=False,
  end_sees_image=True,
  relationship_classes=1,
  roi_category_norm=True,
  classifier='transform',
)

OFFICIAL = Arithmetic(
  box_coding='centers',
  last_pixel_corner=True,
  network_sees_padding=True,
  dilated_res5=True,
  appearance_norm=False,
  projection_dropout=0.1,
  projection_relu=True,
  visual_norm='fading',
  hidden_roi='token',
  image_appearance='mean',
  image_is_roi=True,
  end_sees_image=False,
  relationship_classes=2,
  roi_category_norm=False,
  classifier='two_layers',
)

PRESETS = {'paper': PAPER, 'official': OFFICIAL}
