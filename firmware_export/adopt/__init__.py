"""Attaches a contract to a model that another project made."""
