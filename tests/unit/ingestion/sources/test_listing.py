from datetime import date

import pytest

from ingestion.errors import BadArchive
from ingestion.sources.listing import days_in_pages

FOLDER = "data/futures/um/daily/metrics/ETHUSDT/"


def _page(keys: list[str], following: str = "", truncated: bool = False) -> bytes:
    contents = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
    return (
        f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{contents}'
        f"<IsTruncated>{str(truncated).lower()}</IsTruncated>"
        f"{f'<NextMarker>{following}</NextMarker>' if following else ''}</ListBucketResult>"
    ).encode()


def test_only_zips_of_the_folder_with_a_day_count():
    keys = [
        f"{FOLDER}ETHUSDT-metrics-2024-01-02.zip",
        f"{FOLDER}ETHUSDT-metrics-2024-01-02.zip.CHECKSUM",
        f"{FOLDER}ETHUSDT-metrics-2024-13-02.zip",
        f"{FOLDER}readme.txt",
        "data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-01-01.zip",
    ]
    assert days_in_pages(lambda _: _page(keys), FOLDER) == [date(2024, 1, 2)]


def test_the_last_key_is_the_marker_where_none_is_given():
    asked = []

    def fetch(parameters: dict[str, str]) -> bytes:
        asked.append(parameters)
        day = len(asked)
        return _page([f"{FOLDER}ETHUSDT-metrics-2024-01-0{day}.zip"], truncated=day < 3)

    assert days_in_pages(fetch, FOLDER) == [date(2024, 1, day) for day in (1, 2, 3)]
    assert asked[0] == {"delimiter": "/", "prefix": FOLDER}
    assert asked[2]["marker"] == f"{FOLDER}ETHUSDT-metrics-2024-01-02.zip"


def test_the_marker_that_is_given_is_the_next_one():
    asked = []

    def fetch(parameters: dict[str, str]) -> bytes:
        asked.append(parameters.get("marker"))
        keys = [f"{FOLDER}ETHUSDT-metrics-2024-01-01.zip"]
        return _page(keys, f"{FOLDER}further", True) if len(asked) == 1 else _page([])

    days_in_pages(fetch, FOLDER)
    assert asked == [None, f"{FOLDER}further"]


@pytest.mark.parametrize("keys", [[], [f"{FOLDER}ETHUSDT-metrics-2024-01-01.zip"]])
def test_a_listing_that_goes_in_circles_ends(keys):
    asked = []

    def fetch(parameters: dict[str, str]) -> bytes:
        asked.append(parameters)
        return _page(keys, truncated=True)

    with pytest.raises(BadArchive, match="does not come to an end"):
        days_in_pages(fetch, FOLDER)
    assert len(asked) == len(keys) + 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>hello</body></html>",
        b"<ListBucketResult><Contents>",
        b"not xml",
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><ListBucketResult/>',
        b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>'
        b"<ListBucketResult><Contents><Key>&b;</Key></Contents></ListBucketResult>",
    ],
)
def test_what_is_no_listing_is_refused(body):
    with pytest.raises(BadArchive, match="listing"):
        days_in_pages(lambda _: body, FOLDER)
