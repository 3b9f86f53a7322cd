"""Training: stage 1 on static images, stage 2 on videos (paper section 3)."""
