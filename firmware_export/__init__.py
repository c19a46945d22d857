"""From a `.tflite` to C for firmware; needs no TensorFlow."""
