"""Measures exported firmware on emulated cores; nothing of it goes into a bundle."""
