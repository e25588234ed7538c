"""Augments whole batches on the device.

This package does not use torchvision or kornia, for two reasons. Each sample of a batch needs different random
numbers, but torchvision's transforms draw once for the whole batch. And all random numbers must come from a
generator that is seeded by the step, so that a resumed run sees the same pictures, but both libraries draw from torch's
global generator.
"""
