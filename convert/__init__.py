"""Converts a Keras model to a `.tflite` with its contract and a C header, and verifies it."""
