"""Asks Coinglass's API, version 4, for a liquidation heatmap. `validation.coinglass` reads it."""

import httpx
import orjson

from ingestion.errors import BadRequest, SourceUnavailable
from validation.coinglass.api import MAX_BYTES

RANGES = ("12h", "24h", "3d", "7d", "30d", "90d", "180d", "1y")
MODELS = (1, 2, 3)
TIMEOUT_SECONDS = 30
OK_CODES = ("0", "200")
WORTH_ANOTHER_TRY = (408, 429, 500, 502, 503, 504)


def fetch_heatmap(base_url: str, key: str, symbol: str, model: int, range: str) -> bytes:
    """The answer to a symbol's heatmap on Binance, as it came.

    Raises BadRequest for a key, plan, symbol or range that Coinglass refuses, SourceUnavailable
    where it does not answer or is asked too often. No complaint names the key.
    """
    if not key:
        raise BadRequest("COINGLASS_API_KEY is not set, so nothing can be asked of Coinglass.")
    if model not in MODELS or range not in RANGES:
        raise BadRequest(
            f"Coinglass has the models 1 to 3 and the ranges {', '.join(RANGES)}, "
            f"not model {model} over {range or 'no range'}."
        )
    url = f"{base_url.rstrip('/')}/api/futures/liquidation/heatmap/model{model}"
    try:
        with httpx.stream(
            "GET",
            url,
            params={"exchange": "Binance", "symbol": symbol, "range": range},
            headers={"CG-API-KEY": key, "Accept": "application/json"},
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,  # the key belongs to this server alone
        ) as response:
            content = _body(response)
    except httpx.HTTPError as error:
        raise SourceUnavailable(f"{url} did not answer: {type(error).__name__}") from error
    _check(url, response.status_code, content)
    return content


def _body(response: httpx.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAX_BYTES:
            raise BadRequest(f"{response.url.path} answered more than {MAX_BYTES:,} bytes.")
        parts.append(part)
    return b"".join(parts)


def _check(url: str, status: int, content: bytes) -> None:
    """An error stands in the status or, with status 200, in the answer's code."""
    code, text = _code_and_text(content)
    if status == httpx.codes.OK and code in OK_CODES:
        return
    number = int(code) if code.isdigit() and code not in OK_CODES else status
    reason = f"{url} answered {number}" + (f": {text}" if text else "")
    if status in WORTH_ANOTHER_TRY or number in WORTH_ANOTHER_TRY:
        raise SourceUnavailable(f"{reason}; run it again later")
    raise BadRequest(f"{reason}; see COINGLASS_API_KEY, its plan, and the symbol")


def _code_and_text(content: bytes) -> tuple[str, str]:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "", ""
    if not isinstance(answer, dict):
        return "", ""
    return str(answer.get("code", "0")), str(answer.get("msg") or "")[:200]
