"""Adapts a model to people: the last layer is fitted again on a few labelled clips."""
