"""From a Keras model to a `.tflite` with its contract, verified, and a C header."""
