"""Augments whole batches on the device.

These functions are written here, not taken from torchvision or kornia, for two reasons. Each sample of a batch needs
different random numbers, but torchvision's transforms draw once for the whole batch. And all numbers must come from a
generator that is seeded by the step, so that a resumed run sees the same pictures, but both libraries draw from torch's
global generator.
"""
