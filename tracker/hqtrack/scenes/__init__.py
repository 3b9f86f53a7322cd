"""Scripted sequences with exact ground truth, made from photographs that installed packages contain.

Trackers are measured on them. The random sequences that a network learns from in stage 1 are made by
`hqtrack.training.synthesis`, on the device that trains.
"""
