from datetime import timedelta

import pytest

from ingestion.templatetags.figures import span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (65, "1 min 5 s"), (7800, "2 h 10 min"), (26_208_720, "303 d 8 h")],
)
def test_a_span_of_time_in_words(seconds, text):
    assert span(seconds) == span(timedelta(seconds=seconds)) == text
