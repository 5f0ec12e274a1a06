"""The web page on which people ask a served model about their own images.

A small HTTP application between a browser and PredictionService. It draws
nothing itself and loads no TensorFlow: the page does the one, the server of
the models the other.
"""
