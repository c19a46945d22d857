"""Measures exported firmware on emulated cores; a bundle contains nothing of it."""
