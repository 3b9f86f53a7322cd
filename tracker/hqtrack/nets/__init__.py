"""Networks only: stateless modules that know nothing of files, devices or video."""
