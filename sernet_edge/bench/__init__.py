"""`sernet-edge bench`: what a model takes and gives, measured, and where estimated, saying so.

A run is one plain JSON document (see `report`); everything that is shown, compared or drawn is
made from it.
"""
