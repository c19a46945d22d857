"""From a corpus of emotional speech to a Keras model with its contract."""
