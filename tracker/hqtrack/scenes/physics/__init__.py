"""Rendered clips with exact masks, to learn from: bodies roll, collide, ride on and hide one another.

settings    what all clips of a data set share
meshes      shapes of bodies; models joins them to ropes, puppets and riders
textures    what bodies, floor and wall look like: photographs
simulation  physics: how the bodies move
camera      from where they are seen; surroundings is what is behind them
clips       from a seed to frames and labels
dataset     many clips, by several processes, in the layout of DAVIS-2017
"""
