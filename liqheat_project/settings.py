"""All settings. Every variable read here stands in .env.example with a line on what it is for."""

import os
from datetime import timedelta
from pathlib import Path

from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from liqheat_project.kernel import postgres
from liqheat_project.kernel.env import Environment
from liqheat_project.kernel.private import close

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(Path(os.environ.get("ENV_FILE", BASE_DIR / ".env")))

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. `make run` makes one and keeps it in .env; "
        "otherwise set it in the environment to a long random text."
    )
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "127.0.0.1,localhost")
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS", default=False)
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("LOG_FORMAT", "text", ("text", "json"))
ACCESS_LOG = env.flag("ACCESS_LOG", True)

VAR_DIR = env.folder("VAR_DIR", "var", BASE_DIR)
# Every program reads the settings first: what it writes is its user's alone.
os.umask(0o077)
close(VAR_DIR)
WEB_ADDRESS = env.address("WEB_ADDRESS", "127.0.0.1:8000")
WEB_WORKERS = env.number("WEB_WORKERS", 2, minimum=1, maximum=64)
WEB_THREADS = env.number("WEB_THREADS", 16, minimum=2, maximum=64)
WEB_MAX_REQUESTS = env.number("WEB_MAX_REQUESTS", 20_000, minimum=10)
WEB_MEMORY_MB = env.number("WEB_MEMORY_MB", 1000, minimum=200)
WEB_CONNECTIONS_OF_CLIENT = env.number("WEB_CONNECTIONS_OF_CLIENT", 64, minimum=4)
# How many proxies stand in front: the client's address is what the outermost of them saw.
PROXY_COUNT = env.number("PROXY_COUNT", 1 if HTTPS else 0, maximum=10)
METRICS_TOKEN = env.text("METRICS_TOKEN")
FLOWER_ADDRESS = env.address("FLOWER_ADDRESS", "127.0.0.1:5555")
FLOWER_BASIC_AUTH = env.text("FLOWER_BASIC_AUTH")
# The user that `manage.py up` makes when it does not exist yet.
ADMIN_USER = env.text("ADMIN_USER")
ADMIN_PASSWORD = env.text("ADMIN_PASSWORD")

# Services

DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{VAR_DIR}/liqheat.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # pytest-django's default for SQLite is a database in memory, which worker processes cannot see.
    DATABASES["default"]["TEST"] = {"NAME": env.text("TEST_DATABASE_NAME") or None}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"] = postgres.options(DATABASES["default"].get("OPTIONS", {}))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# `manage.py up` starts an embedded broker where REDIS_URL is blank and leaves its address here, for
# the commands that run in another shell.
EMBEDDED_BROKER_FILE = VAR_DIR / "broker" / "url"
REDIS_URL = env.url("REDIS_URL", "", ("redis", "rediss", "unix"), blank=True)
EMBEDDED_BROKER = not REDIS_URL
if EMBEDDED_BROKER:
    REDIS_URL = "redis://127.0.0.1:6399/0"
    if EMBEDDED_BROKER_FILE.is_file():
        REDIS_URL = EMBEDDED_BROKER_FILE.read_text().strip()
# The cache is another server: what forgets by itself to stay small must not be the broker. Without
# a CACHE_URL `manage.py up` starts one as it does the broker; other programs take the broker's.
EMBEDDED_CACHE_FILE = VAR_DIR / "cache" / "url"
CACHE_MEMORY_MB = env.number("CACHE_MEMORY_MB", 128, minimum=16, maximum=65_536)
CACHE_URL = env.url("CACHE_URL", "", ("redis", "rediss", "unix"), blank=True)
EMBEDDED_CACHE = not CACHE_URL
if EMBEDDED_CACHE:
    CACHE_URL = REDIS_URL
    if EMBEDDED_CACHE_FILE.is_file():
        CACHE_URL = EMBEDDED_CACHE_FILE.read_text().strip()
CACHES = {
    "default": {"BACKEND": "liqheat_project.kernel.cache.Cache", "LOCATION": CACHE_URL},
    "answers": {
        "BACKEND": "liqheat_project.kernel.cache.Cache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "answers",
        "TIMEOUT": 600,
        "OPTIONS": {"serializer": "liqheat_project.kernel.cache.BytesSerializer"},
    },
}

# The lake

LAKE_CATALOG_URL = env.url(
    "LAKE_CATALOG_URL",
    f"sqlite:///{VAR_DIR}/lake/catalog.sqlite",
    ("sqlite", "postgres", "postgresql"),
)
LAKE_DATA_PATH = env.folder("LAKE_DATA_PATH", f"{VAR_DIR}/lake/data", BASE_DIR)
LAKE_MEMORY_LIMIT_MB = env.number("LAKE_MEMORY_LIMIT_MB", 256, minimum=100)
LAKE_THREADS = env.number("LAKE_THREADS", 2, minimum=1, maximum=256)
DUCKDB_EXTENSIONS_DIR = (
    env.folder("DUCKDB_EXTENSIONS_DIR", "", BASE_DIR) if env.text("DUCKDB_EXTENSIONS_DIR") else None
)
LAKE_UNDO_DAYS = env.number("LAKE_UNDO_DAYS", 7, minimum=1, maximum=3650)
LAKE_VERIFY_DAYS = env.number("LAKE_VERIFY_DAYS", 30, minimum=1, maximum=3650)
LAKE_MAINTENANCE_SECONDS = env.number("LAKE_MAINTENANCE_SECONDS", 3600, minimum=10, maximum=86_400)

# Sources

ARCHIVE_BASE_URL = env.url("ARCHIVE_BASE_URL", "https://data.binance.vision", ("http", "https"))
ARCHIVE_TIMEOUT_SECONDS = env.number("ARCHIVE_TIMEOUT_SECONDS", 30, minimum=1, maximum=3600)
ARCHIVE_MAX_FILE_MB = env.number("ARCHIVE_MAX_FILE_MB", 4096, minimum=1)
STREAM_BASE_URL = env.url("STREAM_BASE_URL", "wss://fstream.binance.com", ("ws", "wss"))
FUTURES_BASE_URL = env.url("FUTURES_BASE_URL", "https://fapi.binance.com", ("http", "https"))
REST_TIMEOUT_SECONDS = env.number("REST_TIMEOUT_SECONDS", 10, minimum=1, maximum=60)
REST_WEIGHT_A_MINUTE = env.number("REST_WEIGHT_A_MINUTE", 1200, minimum=20, maximum=2400)
REST_RECHECK_SECONDS = env.number("REST_RECHECK_SECONDS", 21_600, minimum=60)
DATA_DIR = env.folder("DATA_DIR", "data", BASE_DIR)
VALIDATION_DIR = env.folder("VALIDATION_DIR", "data/validation", BASE_DIR)

# Validation

VALIDATION_INBOX_DIR = env.folder("VALIDATION_INBOX_DIR", f"{VALIDATION_DIR}/inbox", BASE_DIR)
VALIDATION_INBOX_TIME_ZONE = env.time_zone("VALIDATION_INBOX_TIME_ZONE", "")
VALIDATION_MAX_PICTURE_MB = env.number("VALIDATION_MAX_PICTURE_MB", 10, minimum=1, maximum=100)
LARGEST_UPLOAD_BYTES = (max(VALIDATION_MAX_PICTURE_MB, 20) + 1) * 1_000_000  # with its form
VALIDATION_MAX_PICTURE_MEGAPIXELS = env.number(
    "VALIDATION_MAX_PICTURE_MEGAPIXELS", 10, minimum=1, maximum=100
)
COINGLASS_BASE_URL = env.url(
    "COINGLASS_BASE_URL", "https://open-api-v4.coinglass.com", ("http", "https")
)
COINGLASS_API_KEY = env.text("COINGLASS_API_KEY")

# Loading

CHUNK_LEASE_SECONDS = env.number("CHUNK_LEASE_SECONDS", 60, minimum=2, maximum=3600)
CHUNK_MAX_ATTEMPTS = env.number("CHUNK_MAX_ATTEMPTS", 5, minimum=1, maximum=100)
RETRY_BACKOFF_SECONDS = env.number("RETRY_BACKOFF_SECONDS", 10, minimum=1, maximum=3600)
SWEEP_SECONDS = env.number("SWEEP_SECONDS", 15, minimum=1, maximum=3600)
WORKER_CONCURRENCY = env.number("WORKER_CONCURRENCY", 2, minimum=1, maximum=256)

# Collecting

COLLECT = env.flag("COLLECT", default=True)
LIQUIDATIONS_PERIOD_SECONDS = env.number("LIQUIDATIONS_PERIOD_SECONDS", 5, minimum=1, maximum=60)
LIQUIDATIONS_SILENCE_MINUTES = env.number(
    "LIQUIDATIONS_SILENCE_MINUTES", 10, minimum=1, maximum=1440
)
OPEN_INTEREST_SECONDS = env.number("OPEN_INTEREST_SECONDS", 30, minimum=1, maximum=300)
CANDLES_SECONDS = env.number("CANDLES_SECONDS", 60, minimum=1, maximum=300)
CANDLES_LOOK_BACK_HOURS = env.number("CANDLES_LOOK_BACK_HOURS", 48, minimum=1, maximum=720)
ARCHIVE_SYNC_SECONDS = env.number("ARCHIVE_SYNC_SECONDS", 1800, minimum=60, maximum=86_400)
ARCHIVE_SYNC_DAYS = env.number("ARCHIVE_SYNC_DAYS", 7, minimum=1, maximum=60)
ARCHIVE_SYNC_DATASETS = env.items("ARCHIVE_SYNC_DATASETS", "metrics,klines 1m")
CONTRACTS_SECONDS = env.number("CONTRACTS_SECONDS", 3600, minimum=60, maximum=86_400)
CHECKSUM_DAYS = env.number("CHECKSUM_DAYS", 30, minimum=1, maximum=3650)

# Celery: at-least-once delivery; a task is acknowledged when it has ended, so a dead worker's task
# comes again. The three visibility timeouts must agree, and lie above the longest task.

VISIBILITY_TIMEOUT_SECONDS = env.number("VISIBILITY_TIMEOUT_SECONDS", 3600, minimum=5)
CELERY_BROKER_URL = REDIS_URL
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # its lines go where all others go
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_TIME_LIMIT = VISIBILITY_TIMEOUT_SECONDS
CELERY_TASK_SEND_SENT_EVENT = True
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A process of the pool makes room for a fresh one after so many tasks, some hours of collecting:
# what DuckDB keeps in memory grows by some 60 KB a commit.
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
    "unacked_restore_throttle": 1,
    "unacked_restore_interval": 5,
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": VISIBILITY_TIMEOUT_SECONDS}
CELERY_VISIBILITY_TIMEOUT = VISIBILITY_TIMEOUT_SECONDS
CELERY_TASK_DEFAULT_QUEUE = "ingest"
CELERY_TASK_ROUTES = {
    "ingestion.sweep": {"queue": "live"},
    "ingestion.maintain_lake": {"queue": "live"},
    "ingestion.collect_open_interest": {"queue": "live"},
    "ingestion.collect_candles": {"queue": "live"},
    "ingestion.check_contracts": {"queue": "live"},
    "ingestion.sync_archive": {"queue": "live"},
    "ingestion.check_checksums": {"queue": "live"},
    "ingestion.verify_lake_files": {"queue": "live"},
    "ingestion.look_for_damage": {"queue": "live"},
    "validation.execute": {"queue": "validation"},
    "validation.measure_amounts": {"queue": "validation"},
    "validation.calibrate": {"queue": "validation"},
    "validation.pick_up": {"queue": "live"},
    "validation.hand_out_again": {"queue": "live"},
    "validation.make_again_after_loading": {"queue": "live"},
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "liqheat_project.launcher.beat.StaticScheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "ingestion.sweep", "schedule": SWEEP_SECONDS},
    "maintain-lake": {"task": "ingestion.maintain_lake", "schedule": LAKE_MAINTENANCE_SECONDS},
    # A round that waited for its whole period has been overtaken by the next.
    "collect-open-interest": {
        "task": "ingestion.collect_open_interest",
        "schedule": OPEN_INTEREST_SECONDS,
        "options": {"expires": OPEN_INTEREST_SECONDS},
    },
    "collect-candles": {
        "task": "ingestion.collect_candles",
        "schedule": CANDLES_SECONDS,
        "options": {"expires": CANDLES_SECONDS},
    },
    "check-contracts": {
        "task": "ingestion.check_contracts",
        "schedule": CONTRACTS_SECONDS,
        "options": {"expires": CONTRACTS_SECONDS},
    },
    "sync-archive": {
        "task": "ingestion.sync_archive",
        "schedule": ARCHIVE_SYNC_SECONDS,
        "options": {"expires": ARCHIVE_SYNC_SECONDS},
    },
    "check-checksums": {
        "task": "ingestion.check_checksums",
        "schedule": crontab(hour="2", minute="20"),
    },
    "verify-lake-files": {
        "task": "ingestion.verify_lake_files",
        "schedule": crontab(hour="1", minute="30"),
    },
    "pick-up-references": {"task": "validation.pick_up", "schedule": 60},
    "calibrate": {
        "task": "validation.calibrate",
        "schedule": crontab(minute="10", hour="4", day_of_week="sunday"),
    },
    "measure-amounts": {
        "task": "validation.measure_amounts",
        "schedule": crontab(minute="40", hour="3"),
    },
    "make-validation-again-after-loading": {
        "task": "validation.make_again_after_loading",
        "schedule": 30,
    },
    "hand-out-validation-again": {"task": "validation.hand_out_again", "schedule": 600},
}

# Django

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin.apps.SimpleAdminConfig",  # the pages are imported with the URLs
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_standardized_errors",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "liqheat_project",
    "ingestion",
    "heatmap",
    "validation",
]
MIDDLEWARE = [
    *(["liqheat_project.webkit.access_log.AccessLogMiddleware"] if ACCESS_LOG else []),
    "django.middleware.security.SecurityMiddleware",
    "liqheat_project.webkit.content_security.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "liqheat_project.login.LoginPlaces",
    "axes.middleware.AxesMiddleware",  # the last one, which sees the refusal first
]
LOGIN_REDIRECT_URL = "admin:index"  # the only pages that have a login
ROOT_URLCONF = "liqheat_project.urls"
WSGI_APPLICATION = "liqheat_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = env.number("LOGIN_FAILURES", 10, minimum=3, maximum=1000)
AXES_COOLOFF_TIME = timedelta(
    minutes=env.number("LOGIN_LOCK_MINUTES", 15, minimum=1, maximum=10_080)
)
AXES_LOCKOUT_PARAMETERS = ["ip_address"]  # by name, anyone could lock out an admin
AXES_CLIENT_IP_CALLABLE = "liqheat_project.login.client_address"
AXES_LOCKOUT_CALLABLE = "liqheat_project.login.locked_out"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True  # the audit log has it
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "liqheat_project.webkit.static_files.HashedStaticFiles"
    },
}

SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REDIRECT_EXEMPT = [r"^health(/|$)", r"^metrics$"]  # probes come without the TLS proxy
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
X_FRAME_OPTIONS = "DENY"

# By the beginning of the path. The page and the API need nothing but their own files; the admin's
# theme and Swagger UI bring inline scripts, and the theme's Alpine evaluates attributes.
_STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_INLINE = _STRICT | {
    "script-src": "'self' 'unsafe-inline'",
    "style-src": "'self' 'unsafe-inline'",
}
CONTENT_SECURITY_POLICIES = {
    "/": _STRICT,
    "/api/docs": _INLINE,
    "/admin/": _INLINE | {"script-src": "'self' 'unsafe-inline' 'unsafe-eval'"},
}

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["drf_orjson_renderer.renderers.ORJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "liqheat_project.webkit.throttling.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_THROTTLE_CLASSES": ["liqheat_project.webkit.throttling.ClientThrottle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # `format` is a parameter of the heatmap
}
# Requests a minute that one client may send to the API; 0 does not count them.
THROTTLES = {
    "anonymous": env.number("THROTTLE_ANONYMOUS", 3000),
    "session": env.number("THROTTLE_SESSION", 6000),
    "api_key": env.number("THROTTLE_API_KEY", 30_000),
}
API_CLIENTS = env.named_secrets("API_KEYS", minimum=24)
DRF_STANDARDIZED_ERRORS = {"EXCEPTION_HANDLER_CLASS": "ingestion.api.errors.ExceptionHandler"}
SPECTACULAR_SETTINGS = {
    "TITLE": "liqheat",
    "DESCRIPTION": "Time-evolving liquidation heatmaps of Binance USD-M futures.",
    "VERSION": "0.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "RunState": "liqheat_project.kernel.runs.RunState",
        "ValidationOutcome": "ingestion.api.symbols.OUTCOMES",
    },
}

UNFOLD = {
    "SITE_TITLE": "liqheat",
    "SITE_HEADER": "liqheat",
    "SITE_URL": "/heatmap/",
    "STYLES": [lambda request: static("liqheat_project/admin.css")],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "liqheat_project.kernel.logs.TextFormatter"},
        "json": {"()": "liqheat_project.kernel.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "websockets": {"level": "WARNING"},
        "axes": {"level": "ERROR"},  # login.py says the same
        "waitress.queue": {"level": "ERROR"},
    },
}
