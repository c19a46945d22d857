"""Architectures: each module builds one family of Keras models, with `keras` alone."""
