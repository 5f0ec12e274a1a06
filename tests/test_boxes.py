"""Box arithmetic against numbers worked by hand."""

import numpy as np
import pytest
import tensorflow as tf

from vlbert_tf import boxes

KINDS = pytest.mark.parametrize(
  'make', [lambda x: np.array(x, np.float32), lambda x: tf.constant(x)]
)


@KINDS
def test_area_is_width_times_height_and_never_negative(make):
  # 3 wide, 5 high; a line; inside out on both axes.
  given = make([[2.0, 1.0, 5.0, 6.0], [2.0, 1.0, 2.0, 6.0], [5.0, 6.0, 2.0, 1]])
  np.testing.assert_array_equal(boxes.area(given), [15.0, 0.0, 0.0])


@KINDS
def test_iou_of_all_pairs(make):
  # Squares of side 4 moved by 2: overlap 2 by 4 = 8, union 16 + 16 - 8 = 24.
  # The 2 by 2 square inside: overlap 4, union 16. The last only touches.
  first = make([[0.0, 0.0, 4.0, 4.0], [3.0, 3.0, 3.0, 3.0]])
  others = make(
    [[2.0, 0.0, 6.0, 4.0], [1.0, 1.0, 3.0, 3.0], [4.0, 0.0, 8.0, 4.0]]
  )
  overlap = boxes.iou(first, others)
  np.testing.assert_allclose(overlap[0], [1 / 3, 1 / 4, 0.0], rtol=1e-6)
  np.testing.assert_array_equal(overlap[1], [0.0, 0.0, 0.0])


@KINDS
def test_iou_of_two_empty_boxes_is_zero_not_nan(make):
  line = make([[1.0, 1.0, 1.0, 5.0]])
  np.testing.assert_array_equal(boxes.iou(line, line), [[0.0]])


@KINDS
def test_clip_cuts_to_the_image_and_leaves_outsiders_no_area(make):
  given = make([[-3.0, 2.0, 5.0, 90.0], [20.0, 1.0, 30.0, 4.0]])
  clipped = boxes.clip(given, height=7, width=11)
  np.testing.assert_array_equal(
    clipped, [[0.0, 2.0, 5.0, 7.0], [11.0, 1.0, 11.0, 4.0]]
  )
  np.testing.assert_array_equal(boxes.area(clipped), [25.0, 0.0])


@KINDS
def test_flip_mirrors_the_columns_only(make):
  flipped = boxes.flip_left_right(make([[2.0, 1.0, 5.0, 3.0]]), width=11)
  np.testing.assert_array_equal(flipped, [[6.0, 1.0, 9.0, 3.0]])


def test_flip_takes_the_box_where_the_pixels_go():
  image = np.zeros((7, 11))
  image[1:3, 2:5] = 1
  x1, y1, x2, y2 = boxes.flip_left_right(np.array([2, 1, 5, 3]), width=11)
  assert image[:, ::-1][y1:y2, x1:x2].all()
  assert image.sum() == (x2 - x1) * (y2 - y1)


@KINDS
def test_rescale_takes_each_axis_with_its_ratio(make):
  scaled = boxes.rescale(make([[2.0, 1.0, 5.0, 3.0]]), ratio_y=2.0, ratio_x=0.5)
  np.testing.assert_array_equal(scaled, [[1.0, 2.0, 2.5, 6.0]])


@KINDS
def test_coco_boxes_become_corners(make):
  corners = boxes.from_xywh(make([[2.0, 1.0, 3.0, 5.0]]))
  np.testing.assert_array_equal(corners, [[2.0, 1.0, 5.0, 6.0]])


def test_tensors_work_in_a_graph_of_unknown_sizes():
  @tf.function(input_signature=[tf.TensorSpec([None, 4]), tf.TensorSpec([])])
  def clipped_area(given, width):
    return boxes.area(boxes.clip(given, 7.0, width))

  given = tf.constant([[-1.0, 0.0, 99.0, 2.0]])
  np.testing.assert_array_equal(clipped_area(given, 11.0), [22.0])


@pytest.mark.parametrize(
  'bad',
  [[3.0, 1.0, 3.0, 5.0], [3.0, 5.0, 4.0, 1.0], [0.0, 0.0, float('nan'), 1.0]],
)
def test_check_names_the_bad_box(bad):
  with pytest.raises(ValueError, match=r'finite coordinates.*Received: \['):
    boxes.check(np.array([[0.0, 0.0, 1.0, 1.0], bad]))


def test_check_wants_four_coordinates():
  with pytest.raises(ValueError, match='four coordinates'):
    boxes.check(np.zeros([2, 5]))


def test_check_accepts_none_at_all():
  boxes.check(np.zeros([0, 4]))
