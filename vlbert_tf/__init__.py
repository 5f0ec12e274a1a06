"""VL-BERT in TensorFlow: one Transformer over words and image regions."""

__version__ = '0.1.0'
