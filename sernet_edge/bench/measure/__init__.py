"""Measures a model: each module fills one section of the document."""
