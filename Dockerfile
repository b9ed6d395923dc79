# One image for every service; docker-compose.yml says which command each runs.
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 VAR_DIR=/var/lib/liqheat NUMBA_CACHE_DIR=/tmp/numba
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY . .
RUN useradd --system --no-create-home liqheat && install -d -o liqheat -m 700 "$VAR_DIR"
USER liqheat
VOLUME /var/lib/liqheat
CMD ["gunicorn"]
