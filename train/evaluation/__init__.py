"""From scores to figures: protocols, metrics, saved runs, calibration and their pictures."""
