"""The version of Bakehouse, which the service names in a header of every response."""

from importlib.metadata import version

VERSION = version("bakehouse")
VERSION_HEADER = "Bakehouse-Version"
