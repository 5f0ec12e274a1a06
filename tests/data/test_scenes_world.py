"""Where objects are, and what is painted there."""

import numpy as np
import pytest

from vlbert_tf.data.scenes import render, shapes, world
from vlbert_tf.data.scenes.shapes import Pose
from vlbert_tf.data.scenes.world import SceneObject


def _scenes(count, width=160, height=120):
  return [
    world.sample_scene(np.random.default_rng((3, n)), width, height)
    for n in range(count)
  ]


def _ball(color, left, top, side, material='matte'):
  pose = Pose('ball', side)
  return SceneObject('ball', color, material, 'large', pose, left, top)


def test_the_box_of_a_ball_is_the_square_around_it():
  (ball,) = world.measure([_ball('red', 50, 30, 40)], 160, 120)
  assert ball.box == (50, 30, 90, 70)
  assert ball.visible == 1
  # A disc of radius 20, within a fifth of a pixel of its rim of 126 pixels.
  assert abs(ball.area - np.pi * 20**2) < 25


def test_a_box_is_clipped_to_the_image():
  (ball,) = world.measure([_ball('red', -10, 100, 40)], 160, 120)
  assert ball.box == (0, 100, 30, 120)
  assert 0 < ball.visible < 0.5


def test_a_ball_in_front_hides_half_of_one_of_the_same_size_behind_it():
  behind, front = world.measure(
    [_ball('red', 40, 40, 50), _ball('blue', 40 + 20, 40, 50)], 160, 120
  )
  # Lens of two circles of radius 25 whose centers are 20 apart.
  half = np.arccos(10 / 25)
  lens = 2 * 25**2 * half - 20 / 2 * np.sqrt(4 * 25**2 - 20**2)
  assert front.visible == 1
  assert abs(behind.visible - (1 - lens / (np.pi * 25**2))) < 0.02
  assert behind.box == (40, 40, 90, 90)


@pytest.mark.parametrize('shape', shapes.SHAPES)
def test_every_pixel_of_a_form_faces_the_viewer_with_a_unit_normal(shape):
  form = shapes.form_of(Pose(shape, 30, turn=0.3, tilt=0.2))
  normals = form.normals[:, form.inside]
  lengths = np.linalg.norm(normals, axis=0)
  assert form.inside.mean() > 0.15
  assert np.all(normals[2] >= 0)
  assert np.all((lengths > 0.9) & (lengths < 1.1))


@pytest.mark.parametrize(('width', 'height'), [(160, 120), (120, 160)])
def test_scenes_keep_their_promises(width, height):
  for scene in _scenes(30, width, height):
    assert 3 <= len(scene.objects) <= 10
    for each in scene.objects:
      x1, y1, x2, y2 = each.box
      assert 0 <= x1 < x2 <= width
      assert 0 <= y1 < y2 <= height
      assert each.visible >= 0.6


def test_boxes_and_visibility_agree_with_masks_painted_pixel_by_pixel():
  for scene in _scenes(10):
    owner = np.full((120, 160), -1)
    for number, each in enumerate(scene.objects):
      mask = shapes.silhouette(each.pose)
      own = [
        (each.left + column, each.top + row)
        for row, column in zip(*np.nonzero(mask), strict=True)
        if 0 <= each.left + column < 160 and 0 <= each.top + row < 120
      ]
      for x, y in own:
        owner[y, x] = number
      xs, ys = zip(*own, strict=True)
      assert each.box == (min(xs), min(ys), max(xs) + 1, max(ys) + 1)
      assert each.area == len(own)
    for number, each in enumerate(scene.objects):
      full = shapes.silhouette(each.pose).sum()
      assert each.visible == pytest.approx((owner == number).sum() / full)


@pytest.mark.parametrize('color', world.COLORS)
@pytest.mark.parametrize('material', ['matte', 'metal'])
def test_a_rendered_ball_is_nearest_to_its_own_color(color, material):
  objects = world.measure([_ball(color, 50, 30, 50, material)], 160, 120)
  scene = world.Scene(160, 120, 'stone', 0, tuple(objects))
  hits = 0
  for seed in range(8):
    pixels = render.render(scene, np.random.default_rng(seed))
    middle = np.median(pixels[40:72, 60:92].reshape(-1, 3), axis=0)
    hits += _nearest_color(middle) == color
  assert hits >= 7


def _nearest_color(pixel):
  """By hue, which shading and highlights keep; by brightness where gray."""
  pixel = pixel / 255
  spread = pixel.max() - pixel.min()
  if spread < 0.2:
    return 'white' if pixel.mean() > 0.4 else 'black'
  names = [n for n in render.PALETTE if n not in ('white', 'black')]
  palette = np.array([render.PALETTE[n] for n in names]) / 255
  palette -= palette.min(axis=1, keepdims=True)
  palette /= np.linalg.norm(palette, axis=1, keepdims=True)
  return names[int(np.argmax(palette @ (pixel - pixel.min())))]
