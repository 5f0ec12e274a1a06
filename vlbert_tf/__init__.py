"""VL-BERT in TensorFlow: one Transformer over words and image regions."""

__version__ = '1.0.0'
