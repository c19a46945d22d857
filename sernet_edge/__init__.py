"""Emotion from speech, on the device: train, convert, listen, export."""

__version__ = "0.1.0"
