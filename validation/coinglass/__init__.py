"""Coinglass's heatmaps, from a picture of the page or an answer of its API, as arrays.

Pure: bytes in, `Reference` out. No Django, no files, no clock, no network.
"""

from validation.coinglass.api import read_api_response
from validation.coinglass.files import Limits
from validation.coinglass.names import FileName, describe_file_name
from validation.coinglass.reference import Reference, TimeLabel, Unreadable
from validation.coinglass.screenshot import read_screenshot

__all__ = [
    "FileName",
    "Limits",
    "Reference",
    "TimeLabel",
    "Unreadable",
    "describe_file_name",
    "read_api_response",
    "read_screenshot",
]
