"""Packs the record of a finished run, so that a million of them fit into memory: about 1 KB instead of 8.

The fields of a record are JSON texts, most of which are alike in all runs. Zstandard compresses them with a dictionary
of one typical record. Redis's clients decode what they read as text, so the result is base85.
"""

import base64
from collections.abc import Mapping
from importlib.resources import files

import zstandard

# Packed records need this file to be read, so it never changes; a better one would get another name and prefix.
DICTIONARY = zstandard.ZstdCompressionDict(
    files("bakehouse.runs").joinpath("typical_record_1.txt").read_bytes(), dict_type=zstandard.DICT_TYPE_RAWCONTENT
)
PREFIX = "1:"
LEVEL = 12
# A record is bounded by the limits on recipes and logs; more would be damage.
MAX_BYTES = 64 << 20


def pack(fields: Mapping[str, str]) -> str:
    """Returns the fields as one short text."""
    # JSON has no raw tabs and line breaks.
    lines = "\n".join(f"{name}\t{value}" for name, value in fields.items())
    compressed = zstandard.ZstdCompressor(level=LEVEL, dict_data=DICTIONARY).compress(lines.encode())
    return PREFIX + base64.b85encode(compressed).decode()


def unpack(packed: str) -> dict[str, str]:
    """Returns the fields of a packed text. Raises ValueError if the text is damaged or of a later version."""
    if not packed.startswith(PREFIX):
        raise ValueError("the record was packed by a later version")
    decompressor = zstandard.ZstdDecompressor(dict_data=DICTIONARY)
    try:
        compressed = base64.b85decode(packed[len(PREFIX) :])
        lines = decompressor.decompress(compressed, max_output_size=MAX_BYTES, allow_extra_data=False).decode()
    except (ValueError, zstandard.ZstdError) as error:
        raise ValueError("the packed record is damaged") from error
    # `splitlines` would also split at line separators that JSON allows in a text.
    return dict(line.split("\t", 1) for line in lines.split("\n"))
