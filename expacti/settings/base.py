"""What every deployment shares. Values come from the environment (`expacti/env.py`) alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from expacti.env import Env

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent.parent
# Where the embedded default keeps its databases and secrets.
STATE_DIR = Path(env.text("EXPACTI_STATE_DIR", str(BASE_DIR / "var"))).resolve()
VERSION = "0.1.0"
SECURITY_CONTACT = env.text("EXPACTI_SECURITY_CONTACT", "mailto:security@expacti.example")

DEBUG = False
SECRET_KEY = env.secret("EXPACTI_SECRET_KEY")
ROOT_KEY = env.key("EXPACTI_ROOT_KEY")

# --- where it is reached -------------------------------------------------------------------------
PUBLIC_URL = env.text("EXPACTI_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
ORIGIN_HOST = env.text("EXPACTI_ORIGIN_HOST", urlsplit(PUBLIC_URL).netloc)
ALLOWED_HOSTS = env.listing("EXPACTI_ALLOWED_HOSTS", (urlsplit(PUBLIC_URL).hostname or "localhost",))
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "expacti.apps.ExpactiAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "django_otp",
    "axes",
    "csp",
    "audit",
    "accounts",
    "approvals.whitelist",
    "approvals",
    "recordings",
    "expacti.apps.ExpactiConfig",
]

# Pages. Requests with an Authorization header go through API_MIDDLEWARE instead: no session, no
# CSRF token, no messages on the path of an agent.
MIDDLEWARE = [
    "expacti.middleware.request_id",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "accounts.middleware.access",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
API_MIDDLEWARE = [
    "expacti.middleware.request_id",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "expacti.middleware.api_headers",
]

ROOT_URLCONF = "expacti.urls"
WSGI_APPLICATION = "expacti.wsgi.application"
ASGI_APPLICATION = "expacti.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "expacti.context_processors.page",
            ],
        },
    },
]

# --- databases -----------------------------------------------------------------------------------
# The role that migrates is not the role that serves: manage.py sets EXPACTI_DATABASE_ROLE=owner for
# migrations, and for nothing else.
AS_OWNER = env.text("EXPACTI_DATABASE_ROLE", "runtime") == "owner"
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": env.integer("EXPACTI_SQLITE_TIMEOUT_S", 20, low=1, high=600),
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}
# Off behind a pooler that gives each transaction another connection and knows no prepared statements.
PREPARED_STATEMENTS = env.flag("EXPACTI_PREPARED_STATEMENTS", default=True)
POOL_MAX = env.integer("EXPACTI_DATABASE_POOL_MAX", 16, low=0, high=1_000)
POOL_TIMEOUT_S = env.integer("EXPACTI_DATABASE_POOL_TIMEOUT_S", 10, low=1, high=120)


def _database(url_name: str, owner_name: str, file: str) -> dict[str, Any]:
    default = f"sqlite:///{STATE_DIR}/{file}"
    name = owner_name if AS_OWNER and env.secret(owner_name, "-") != "-" else url_name
    database = env.database(name, default)
    if database["ENGINE"].endswith("sqlite3"):
        database["OPTIONS"] = SQLITE_OPTIONS
    elif POOL_MAX and not AS_OWNER:
        # psycopg's pool: under ASGI every request has a thread of its own, and persistent
        # connections by thread would grow without bound.
        pool = {"min_size": 1, "max_size": POOL_MAX, "timeout": POOL_TIMEOUT_S}
        database["OPTIONS"] = {**database["OPTIONS"], "pool": pool}
    return database


DATABASES = {
    "default": _database("DATABASE_URL", "DATABASE_OWNER_URL", "expacti.sqlite3"),
    "whitelist": _database("WHITELIST_DATABASE_URL", "WHITELIST_DATABASE_OWNER_URL", "whitelist.sqlite3"),
}
DATABASE_ROUTERS = ["approvals.whitelist.router.WhitelistRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis, channel layer, cache -----------------------------------------------------------------
REDIS_URL = env.secret("REDIS_URL", "")
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1_000}}
}
CACHES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            # redis-py's default socket_timeout would kill a consumer that blocks on a read.
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
        },
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
        },
    }

# --- people --------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
# The address is unique by a constraint on its lower case, which this check does not see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "accounts.backends.EmailBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.BCryptSHA256PasswordHasher"]
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
SESSION_COOKIE_NAME = "expacti_session"
SESSION_COOKIE_AGE = env.integer("EXPACTI_SESSION_AGE_S", 12 * 3600, low=300, high=30 * 86_400)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "expacti_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "expacti.errors.csrf_failure"
OTP_TOTP_ISSUER = "Expacti"
TOTP_DRIFT_STEPS = 1
# After n wrong codes in a row nothing is looked at for factor x 2^(n-1) seconds, at most TOTP_LOCK_MAX_S.
TOTP_THROTTLE_FACTOR = 1
TOTP_LOCK_MAX_S = 3_600
BACKUP_CODE_COUNT = 10
SESSION_OTP_AGE_S = SESSION_COOKIE_AGE

# django-axes: lock the pair of account and address. Not the account alone: else anybody could keep a
# reviewer out. The second factor is throttled by account, whatever the address.
AXES_FAILURE_LIMIT = env.integer("EXPACTI_SIGN_IN_FAILURE_LIMIT", 8, low=3, high=100)
AXES_COOLOFF_TIME = env.integer("EXPACTI_SIGN_IN_LOCK_MINUTES", 15, low=1, high=1_440) / 60
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "email"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "accounts.views.locked_out"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# The audit log records sign-ins; axes would keep addresses a second time, in clear.
AXES_DISABLE_ACCESS_LOG = True

# --- approvals -----------------------------------------------------------------------------------
TTL_MIN_S = 10
TTL_DEFAULT_S = 300
TTL_MAX_S = 86_400
CLOCK_SKEW_S = 30
# What the shortest time to live may have lost by the time the request is looked at.
TTL_MIN_GRACE_S = 5
IDEMPOTENCY_WINDOW_S = 86_400
API_BODY_BYTES = 256 * 1024
API_WAIT_MAX_S = env.integer("EXPACTI_API_WAIT_MAX_S", 30, low=1, high=600)
LONG_POLL_MAX_WAITERS = env.integer("EXPACTI_LONG_POLL_MAX_WAITERS", 20_000, low=1)
COMMAND_MAX_BYTES = 64 * 1024
# Longer ones are accepted, and go to a human.
MATCH_MAX_BYTES = 16 * 1024
COMMAND_MAX_ARGUMENTS = 1_000
ENV_MAX_ENTRIES = 256
REASON_MAX_CHARS = 2_000
CONTEXT_MAX_ENTRIES = 20
OPEN_COMMANDS_PER_ORGANIZATION = env.integer("EXPACTI_OPEN_COMMANDS_MAX", 5_000, low=1)
TRUSTED_DIRECTORIES = (
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
)
KEY_LAST_USED_STEP_S = 60
SWEEP_INTERVAL_S = env.integer("EXPACTI_SWEEP_INTERVAL_S", 5, low=1, high=3_600)
IN_PROCESS_RUNNER = env.flag("EXPACTI_IN_PROCESS_RUNNER", default=True)
DATA_UPLOAD_MAX_MEMORY_SIZE = API_BODY_BYTES

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.Nobody"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["expacti.api.StrictJSONParser"],
    "EXCEPTION_HANDLER": "expacti.api.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Expacti",
    "DESCRIPTION": "Hold commands until a human, or a rule that humans wrote, approves them.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
}

# --- browser -------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Straight from the source tree; production collects them into STATIC_ROOT.
WHITENOISE_USE_FINDERS = True

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "expacti.logs.VisibleFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("EXPACTI_LOG_LEVEL", "INFO")},
    "loggers": {"axes": {"level": "WARNING"}},
}
