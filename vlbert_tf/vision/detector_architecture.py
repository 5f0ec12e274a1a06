"""Every number that a layer of the detector needs."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorArchitecture:
  """Faster R-CNN on a C4 map (Ren et al., 2015; Anderson et al., 2018).

  Attributes:
    resnet: the visual network, a `modeling.resnets.ResNetArchitecture`.
    num_categories: C, background not counted.
    num_attributes: 0 leaves the branch of attributes out.
    anchor_sizes: square roots of the anchors' areas, pixels.
    anchor_ratios: height over width of the anchors.
    anchor_shift: see `anchors.anchor_boxes`; 0 in published detectors.
    rpn_width: channels of the proposal network.
    proposals_before_nms: best anchors of an image that become proposals ...
    proposals: ... and how many stay after suppression.
    proposal_nms_iou: overlap above which the worse proposal goes.
    anchor_positive_iou: anchors that overlap an object more are objects ...
    anchor_negative_iou: ... and background below this, without loss between.
    sampled_anchors: of an image, for the loss.
    anchor_positive_fraction: at most so many of them are objects.
    roi_positive_iou: proposals that overlap an object at least so much get its
      category, the others are background.
    sampled_rois: of an image, for the loss.
    roi_positive_fraction: at most so many of them are objects.
    candidates: pairs of proposal and category among which detections are
      sought.
    nms_iou: overlap within a category above which the worse box goes.
    max_rois: detections kept of an image (VL-BERT §3.3).
    min_rois: of the RoIs, kept whatever their score.
    score_threshold: score that the other RoIs must exceed.
    top_categories: likeliest categories of a RoI that are told with it.
  """

  resnet: Any
  num_categories: int
  num_attributes: int = 0
  anchor_sizes: tuple[float, ...] = (32.0, 64.0, 128.0, 256.0, 512.0)
  anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
  anchor_shift: float = 0.5
  rpn_width: int = 512
  proposals_before_nms: int = 2000
  proposals: int = 300
  proposal_nms_iou: float = 0.7
  anchor_positive_iou: float = 0.7
  anchor_negative_iou: float = 0.3
  sampled_anchors: int = 256
  anchor_positive_fraction: float = 0.5
  roi_positive_iou: float = 0.5
  sampled_rois: int = 128
  roi_positive_fraction: float = 0.25
  candidates: int = 1000
  nms_iou: float = 0.3
  max_rois: int = 100
  min_rois: int = 10
  score_threshold: float = 0.5
  top_categories: int = 10

  @property
  def anchors_per_cell(self) -> int:
    """Anchors of each cell of the C4 map."""
    return len(self.anchor_sizes) * len(self.anchor_ratios)
