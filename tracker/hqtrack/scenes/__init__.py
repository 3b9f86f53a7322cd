"""Generated sequences with exact ground truth, drawn from photographs that installed packages carry."""
