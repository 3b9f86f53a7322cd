"""Generated sequences with exact ground truth, made from photographs that installed packages contain."""
