"""From scores to figures: protocols, metrics, saved runs, calibration and pictures."""
