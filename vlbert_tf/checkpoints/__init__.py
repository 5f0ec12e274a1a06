"""Weights made elsewhere and ours for elsewhere; `load` runs converted ones."""

from vlbert_tf.checkpoints.loading import load

__all__ = ['load']
