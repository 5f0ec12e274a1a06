"""Settings of a model on images that `record_folder` writes, at half size."""

SETTINGS = {
  'size': 'tiny',
  'max_text_length': 16,
  'max_rois': 3,
  'image_short_side': 15,
  'image_long_side': 20,
  'xla': 'none',
  'dropout_rate': 0.0,
}
