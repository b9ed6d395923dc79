// Requests to the API, and what can go wrong with them.

/** `kind` is offline, busy, refused (the request can't be answered), outdated (the page is) or server. */
export class ApiError extends Error {
  constructor(kind, message, parameter = null, status = 0) {
    super(message);
    this.kind = kind;
    this.parameter = parameter;
    this.status = status;
  }
}

/**
 * The answer to a GET, or null where it has not changed since `etag`.
 * Returns {etag, bytes: ArrayBuffer}; throws ApiError, or AbortError when `signal` says so.
 */
export async function get(path, parameters, { etag = null, signal = undefined } = {}) {
  const response = await send(urlOf(path, parameters), etag, signal);
  if (response.status === 304) return null;
  if (!response.ok) throw await refusal(response);
  return { etag: response.headers.get("ETag"), bytes: await received(response) };
}

export async function getJson(path, parameters, options) {
  const answer = await get(path, parameters, options);
  return answer && { etag: answer.etag, body: JSON.parse(new TextDecoder().decode(answer.bytes)) };
}

export function urlOf(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

async function send(url, etag, signal) {
  const headers = etag ? { "If-None-Match": etag } : {};
  try {
    return await fetch(url, { headers, signal, credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("offline", "The server can't be reached.");
  }
}

async function received(response) {
  try {
    return await response.arrayBuffer();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("offline", "The connection broke off.");
  }
}

async function refusal(response) {
  const { status } = response;
  const body = await response.json().catch(() => null);
  const first = body?.errors?.[0];
  const message = first?.detail || `The server answered ${status} ${response.statusText}.`;
  if (status === 503 || status === 429) return new ApiError("busy", message, null, status);
  const kind = status >= 500 ? "server" : "refused";
  return new ApiError(kind, message, first?.attr ?? null, status);
}
