# One image for every service; docker-compose.yml says which command each runs.
FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1 VAR_DIR=/var/lib/liqheat NUMBA_CACHE_DIR=/tmp/numba
WORKDIR /app
COPY requirements.lock .
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY . .
RUN useradd --system --no-create-home liqheat && install -d -o liqheat -m 700 "$VAR_DIR"
USER liqheat
VOLUME /var/lib/liqheat
CMD ["gunicorn"]
