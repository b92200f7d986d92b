"""All settings.  Each option is read once from the environment, with a default that works on a bare clone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from hub import env

BASE_DIR = Path(__file__).resolve().parent.parent

# --- where things are ------------------------------------------------------------------------------------------------
HUB_DATA_DIR = env.path("HUB_DATA_DIR", BASE_DIR / "var", help="Directory for the database, repos, blobs and sockets.")
PORT = env.integer("PORT", 8000, help="Port of the web process.")
HUB_BIND = env.text("HUB_BIND", "127.0.0.1", help="Address that the web process listens on; 0.0.0.0 for all.")
HUB_URL = env.text("HUB_URL", f"http://localhost:{PORT}", help="Public URL of the hub, as people type it.").rstrip("/")
_site = urlsplit(HUB_URL)
HUB_STORAGE_URL = env.text(
    "HUB_STORAGE_URL",
    f"file://{HUB_DATA_DIR / 'blobs'}",
    help="Where large files live: file:///path or s3://bucket?endpoint=https://…&region=…; for S3 also "
    "public_endpoint=https://… (what clients reach) and presign=0 (bytes pass the hub).",
)
HUB_INTERNAL_URL = env.text(
    "HUB_INTERNAL_URL",
    f"http://127.0.0.1:{PORT}",
    help="Where workers reach the hub's API; set it when they run on other machines.",
).rstrip("/")
HUB_TEMPLATES_DIR = env.text("HUB_TEMPLATES_DIR", "", help="Directory of templates that override the shipped ones.")
HUB_SITE_NAME = env.text("HUB_SITE_NAME", "Agora", help="Name shown in titles and mails.")

# --- safety ----------------------------------------------------------------------------------------------------------
DEBUG = env.flag("HUB_DEBUG", False, help="Tracebacks in the browser and template reloading; never in production.")


def _secret_key() -> str:
    """From the environment, else a key made once and kept beside the data with owner-only rights (T154)."""
    given = env.text("HUB_SECRET_KEY", "", help="Signs sessions and URLs; at least 32 characters.", secret=True)
    if given:
        return given
    path = HUB_DATA_DIR / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    HUB_DATA_DIR.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(48)
    temporary = HUB_DATA_DIR / f".secret_key.{os.getpid()}"
    temporary.touch(mode=0o600)
    temporary.write_text(key)
    try:
        os.link(temporary, path)  # create-only: of several processes starting at once, one wins
    except FileExistsError:
        return path.read_text().strip()
    finally:
        temporary.unlink()
    return key


SECRET_KEY = _secret_key()
_hosts = env.items("HUB_ALLOWED_HOSTS", [], help="Further host names that the hub answers to.")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", _site.hostname or "localhost", *_hosts]
CSRF_TRUSTED_ORIGINS = [f"{_site.scheme}://{_site.netloc}"]
HUB_TRUSTED_PROXIES = env.items("HUB_TRUSTED_PROXIES", [], help="Addresses or networks of proxies whose headers count.")
IS_HTTPS = _site.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_HTTPS
# The __Host- prefix pins cookies to this host and needs https; browsers drop such cookies on http.
SESSION_COOKIE_NAME = "__Host-session" if IS_HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600  # idle
SESSION_SAVE_EVERY_REQUEST = False
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "hub.web.errors.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # forms and JSON; uploads and commits stream past it
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- applications ----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.idp.oidc",
    "rest_framework",
    "drf_spectacular",
    "hub.core",
    "hub.storage",
    "hub.accounts",
    "hub.repos",
    "hub.catalog",
    "hub.web",
    "hub.demo",
    "community",
    "inference",
]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "hub.urls"
WSGI_APPLICATION = "hub.wsgi.application"
APPEND_SLASH = False  # a redirect to a slash breaks the clients' POST, PUT and DELETE (hub-api §1.2)

MIDDLEWARE = [
    "hub.core.middleware.RequestIdMiddleware",
    "hub.core.middleware.SecurityHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "hub.accounts.middleware.ViewerMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "hub.surface.HubErrorMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [*([HUB_TEMPLATES_DIR] if HUB_TEMPLATES_DIR else []), BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "hub.web.context_processors.site",
            ],
        },
    }
]

# --- database --------------------------------------------------------------------------------------------------------


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path) or ":memory:",
            "OPTIONS": {
                "timeout": 20,
                # DEFERRED fails at the read-to-write upgrade whatever the timeout (platform §3.4).
                "transaction_mode": "IMMEDIATE",
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
                    "PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-8000;"
                ),
            },
        }
    if parts.scheme in {"postgres", "postgresql"}:
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or query.pop("host", "")),
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 600,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {
                **query,
                "options": "-c statement_timeout=30000 -c lock_timeout=10000 "
                "-c idle_in_transaction_session_timeout=60000",
            },
        }
    raise ImproperlyConfigured("DATABASE_URL: use sqlite:///path or postgresql://user:password@host:port/name.")


DATABASE_URL = env.text(
    "DATABASE_URL",
    f"sqlite:///{HUB_DATA_DIR / 'agora.sqlite3'}",
    help="sqlite:///path or postgresql://user:password@host:port/name.",
    secret=True,
)
DATABASES = {"default": _database(DATABASE_URL)}
# Each request thread of the bridge keeps one connection; opening SQLite anew costs more than most queries.
DATABASES["default"].setdefault("CONN_MAX_AGE", 600)

# --- Redis protocol: broker, streams, cache, limits ------------------------------------------------------------------
HUB_BROKER_SOCKET = HUB_DATA_DIR / "run" / "valkey.sock"
REDIS_URL = env.text(
    "REDIS_URL",
    "",
    help="redis://… of a server to use; empty: the supervisor starts one on a socket in HUB_DATA_DIR.",
    secret=True,
)
IS_BROKER_EMBEDDED = not REDIS_URL
REDIS_URL = REDIS_URL or f"unix://{HUB_BROKER_SOCKET}?db=0"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
    }
}
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_TASK_TIME_LIMIT = 3600
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "expire-uploads": {"task": "repos.expire_uploads", "schedule": crontab(minute=17)},
    "purge-deleted-repos": {"task": "repos.purge_deleted", "schedule": crontab(minute=37, hour=3)},
    "wake-imports": {"task": "repos.wake_imports", "schedule": 30.0},
    "forget-imports": {"task": "repos.forget_imports", "schedule": crontab(minute=27)},
    "prune-git": {"task": "repos.prune", "schedule": crontab(minute=27, hour="*/6")},
    "reconcile-refs": {"task": "repos.reconcile", "schedule": 60.0},
    "convert-files": {"task": "repos.convert_files", "schedule": crontab(minute="*/10")},
    "roll-downloads": {"task": "repos.roll_downloads", "schedule": crontab(minute=7)},
    "remind-owners": {"task": "repos.remind_owners", "schedule": crontab(minute=11)},
    "catch-up-index": {"task": "catalog.catch_up", "schedule": 60.0},
    "mend-pull-requests": {"task": "community.mend_pull_requests", "schedule": 300.0},
    "purge-pull-requests": {"task": "community.purge_pull_requests", "schedule": crontab(minute=7, hour=3)},
    "wake-webhooks": {"task": "community.wake_webhooks", "schedule": 30.0},
    "forget-deliveries": {"task": "community.forget_deliveries", "schedule": crontab(minute=57, hour=4)},
    "wake-notices": {"task": "community.wake_notices", "schedule": 30.0},
    "send-digests": {"task": "community.send_digests", "schedule": crontab(minute=12)},
    "forget-notices": {"task": "community.forget_notices", "schedule": crontab(minute=52, hour=4)},
    "prove-reviews": {"task": "community.prove_reviews", "schedule": crontab(minute="*/20")},
    "trending": {"task": "catalog.update_trending", "schedule": crontab(minute="*/15")},
    "settle-lost-calls": {"task": "inference.settle_lost_calls", "schedule": 60.0},
    "clear-sessions": {"task": "accounts.clear_expired", "schedule": crontab(minute=47, hour=4)},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(HUB_DATA_DIR / "run" / "beat-schedule")

# --- processes -------------------------------------------------------------------------------------------------------
HUB_WEB_THREADS = env.integer("HUB_WEB_THREADS", 4, help="Threads for pages and API in each web process.")
HUB_WEB_PROCESSES = env.integer("HUB_WEB_PROCESSES", 1, help="Web processes; more need PostgreSQL to be of use.")
HUB_METRICS_BIND = env.text("HUB_METRICS_BIND", "127.0.0.1:9464", help="host:port of /metrics; 'off' for none.")
HUB_DEMO = env.flag("HUB_DEMO", True, help="Publish the demo organisation's models at the first start.")

# --- accounts --------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
]
HUB_SIGNUP_OPEN = env.flag("HUB_SIGNUP_OPEN", True, help="Whether anyone may make an account.")
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "web:home"
LOGOUT_REDIRECT_URL = ACCOUNT_LOGOUT_REDIRECT_URL = "web:home"
EMAIL_URL = env.text(
    "HUB_EMAIL_URL", "", help="smtp://user:password@host:port or smtps://…; empty: no mail is sent.", secret=True
)
DEFAULT_FROM_EMAIL = env.text("HUB_EMAIL_FROM", f"hub@{_site.hostname}", help="Sender of mails.")
IS_MAIL_CONFIGURED = bool(EMAIL_URL)
if EMAIL_URL:
    _mail = urlsplit(EMAIL_URL)
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = _mail.hostname or "localhost", _mail.port or 587
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
    EMAIL_USE_SSL = _mail.scheme == "smtps"
    EMAIL_USE_TLS = _mail.scheme == "smtp" and _mail.port not in {25, 1025, 2525}
    EMAIL_TIMEOUT = 10
else:
    # Nothing is sent: links are printed in the log of a laptop hub, so that a reset still works there.
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if IS_MAIL_CONFIGURED else "none"
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_PRESERVE_USERNAME_CASING = True
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _site.scheme
ACCOUNT_ADAPTER = "hub.accounts.adapter.AccountAdapter"
ACCOUNT_USERNAME_VALIDATORS = "hub.accounts.forms.username_validators"
ACCOUNT_FORMS = {
    "login": "hub.accounts.forms.LoginForm",
    "signup": "hub.accounts.forms.SignupForm",
    "add_email": "hub.accounts.forms.AddEmailForm",
    "change_password": "hub.accounts.forms.ChangePasswordForm",
    "set_password": "hub.accounts.forms.SetPasswordForm",
    "reset_password": "hub.accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "hub.accounts.forms.ResetPasswordKeyForm",
}
ACCOUNT_EMAIL_NOTIFICATIONS = IS_MAIL_CONFIGURED
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/15m/key,100/15m/ip",
    "signup": "20/m/ip",
    "reset_password": "20/h/ip,5/h/key",
    "confirm_email": "1/3m/key",
}
PASSWORD_RESET_TIMEOUT = 3600
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = False
MFA_TOTP_ISSUER = HUB_SITE_NAME
MFA_RECOVERY_CODE_COUNT = 10
MFA_RECOVERY_CODE_DIGITS = 20  # 66 bits (T15)
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = not IS_MAIL_CONFIGURED  # nothing can be verified there
MFA_ADAPTER = "hub.accounts.mfa.MFAAdapter"
# WebAuthn itself allows http only for localhost.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_HTTPS
IDP_OIDC_ADAPTER = "hub.accounts.oauth.adapter.OIDCAdapter"
HUB_OIDC_KEY = env.text(
    "HUB_OIDC_KEY",
    "",
    help="RSA key in PEM that signs the id tokens of the OAuth provider; empty: one is made and kept in HUB_DATA_DIR.",
    secret=True,
)
USERSESSIONS_TRACK_ACTIVITY = False  # hub.accounts.sessions does, without a write for every page
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "hub.accounts.validators.MaximumLengthValidator", "OPTIONS": {"max_bytes": 1024}},
]

# --- limits (threats.md, last section) -------------------------------------------------------------------------------
HUB_MAX_FILE_BYTES = env.integer("HUB_MAX_FILE_BYTES", 500 * 10**9, help="Largest single file.", unit="bytes")
HUB_QUOTA_BYTES = env.integer(
    "HUB_QUOTA_BYTES", 100 * 10**9, help="Storage for each user or organization; 0 for no limit.", unit="bytes"
)
HUB_MIN_FREE_BYTES = env.text(
    "HUB_MIN_FREE_BYTES",
    "",
    help="Uploads stop when the disk has less room than this; empty: the larger of 10 GiB and 5 % of the disk.",
    unit="bytes",
)
HUB_XET_CONVERT = env.flag(
    "HUB_XET_CONVERT", True, help="Cut files that came by LFS or the web form into shared chunks, in the background."
)
HUB_XET_WHOLE_COPY_HOURS = env.integer(
    "HUB_XET_WHOLE_COPY_HOURS",
    24,
    help="The whole copy of a file that was cut into chunks goes after this time.",
    unit="hours",
)
HUB_RATE_API = env.integer(
    "HUB_RATE_API", 10_000, help="API requests per user and 5 minutes; a twentieth per stranger's address."
)
HUB_RATE_RESOLVE = env.integer(
    "HUB_RATE_RESOLVE", 20_000, help="File requests per user and 5 minutes; three twentieths per stranger's address."
)
HUB_RATE_REPO_CREATION = env.integer("HUB_RATE_REPO_CREATION", 600, help="New repositories per user and hour.")
HUB_RATE_DISCUSSIONS = env.integer(
    "HUB_RATE_DISCUSSIONS", 600, help="New discussions and pull requests per user and hour."
)
HUB_RATE_COMMENTS = env.integer(
    "HUB_RATE_COMMENTS", 1200, help="Comments and changes of discussions per user and hour."
)
HUB_RATE_REPORTS = env.integer("HUB_RATE_REPORTS", 20, help="Reports to the moderators per user and hour.")
HUB_NEW_ACCOUNT_HOURS = env.integer(
    "HUB_NEW_ACCOUNT_HOURS",
    72,
    help="How long an account is new: its posts are fewer and may wait for a moderator; 0: never.",
    unit="hours",
)
HUB_RATE_NEW_ACCOUNT = env.integer(
    "HUB_RATE_NEW_ACCOUNT", 100, help="Discussions and comments together per new account and hour."
)
HUB_HOLD_POSTS = env.text(
    "HUB_HOLD_POSTS",
    "suspicious",
    help="Which posts of new accounts wait for a moderator: none, suspicious, or all up to the first published one.",
)
HUB_HOLD_LINKS = env.integer(
    "HUB_HOLD_LINKS", 3, help="A new account's first post with so many links to elsewhere is suspicious."
)
HUB_HOLD_REPEATS = env.integer(
    "HUB_HOLD_REPEATS", 3, help="A new account's text that it has posted so many times in a day is suspicious."
)
HUB_RATE_PAGES = env.integer("HUB_RATE_PAGES", 1000, help="Pages per user or address and 5 minutes.")

# --- requests that the hub sends (hub/core/destinations.py) ----------------------------------------------------------
HUB_OUTGOING_PORTS = env.items(
    "HUB_OUTGOING_PORTS",
    ["80", "443", "8080", "8443"],
    help="Ports that webhooks and imports may call; 'any' for all.",
)
HUB_OUTGOING_NETWORKS = env.items(
    "HUB_OUTGOING_NETWORKS",
    [],
    help="Private networks that webhooks and imports may call, such as 10.0.0.0/8; all else must be public.",
)
HUB_IMPORT_MAX_BYTES = env.integer(
    "HUB_IMPORT_MAX_BYTES", 200 * 10**9, help="Largest repository that an import copies.", unit="bytes"
)
HUB_IMPORTS_AT_ONCE = env.integer(
    "HUB_IMPORTS_AT_ONCE", 1, help="Imports that run at a time; each takes one worker process while it runs."
)
HUB_IMPORT_HOURS = env.integer("HUB_IMPORT_HOURS", 24, help="An import that takes longer is given up.", unit="hours")
HUB_UPSTREAM_URL = env.text(
    "HUB_UPSTREAM_URL",
    "",
    help="Another hub, such as https://huggingface.co: what this one lacks is fetched from there and kept; empty: off.",
)
HUB_UPSTREAM_TOKEN = env.text("HUB_UPSTREAM_TOKEN", "", help="Access token for it, read only.", secret=True)
HUB_UPSTREAM_NAMESPACES = env.items(
    "HUB_UPSTREAM_NAMESPACES", [], help="Owners there whose repositories may be fetched; 'any' for all."
)
HUB_UPSTREAM_FRESH_SECONDS = env.integer(
    "HUB_UPSTREAM_FRESH_SECONDS", 300, help="How long a branch of it is taken for unchanged.", unit="seconds"
)

# --- inference -------------------------------------------------------------------------------------------------------
HUB_INFERENCE_ENABLED = env.flag("HUB_INFERENCE_ENABLED", True, help="Whether this hub runs models.")
HUB_INFERENCE_MEMORY_BYTES = env.integer(
    "HUB_INFERENCE_MEMORY_BYTES", 0, help="Memory for loaded models; 0: half of the machine's.", unit="bytes"
)
HUB_INFERENCE_IDLE_SECONDS = env.integer(
    "HUB_INFERENCE_IDLE_SECONDS", 900, help="A model that nobody called for so long is unloaded.", unit="seconds"
)
HUB_INFERENCE_RPM = env.integer("HUB_INFERENCE_RPM", 60, help="Hosted calls per token and minute by default.")
HUB_INFERENCE_TIMEOUT_SECONDS = env.integer(
    "HUB_INFERENCE_TIMEOUT_SECONDS", 60, help="Longest run of one call, without waiting and loading.", unit="seconds"
)
HUB_SNAPSHOT_CACHE_BYTES = env.integer(
    "HUB_SNAPSHOT_CACHE_BYTES", 20 * 10**9, help="Disk for snapshots of models on a worker.", unit="bytes"
)
HUB_SANDBOX_ALLOW_DEGRADED = env.flag(
    "HUB_SANDBOX_ALLOW_DEGRADED",
    False,
    help="Run models although a layer of the sandbox is missing on this machine; shown to operators.",
)

# --- language, time, static ------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = HUB_DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # a clone serves its files without a collect step
WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = HUB_DATA_DIR / "media"

# --- API -------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],  # ViewerMiddleware is the one authentication path
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.FormParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "hub.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {"TITLE": "Agora API", "VERSION": "1", "OAS_VERSION": "3.1.0", "POSTPROCESSING_HOOKS": []}

# --- logs ------------------------------------------------------------------------------------------------------------
HUB_LOG_LEVEL = env.text("HUB_LOG_LEVEL", "INFO", help="DEBUG, INFO, WARNING or ERROR.")
HUB_LOG_FORMAT = env.text("HUB_LOG_FORMAT", "text", help="text for people, json for collectors.")
LOGGING_CONFIG = "hub.core.logs.configure"
LOGGING: dict[str, Any] = {"level": HUB_LOG_LEVEL, "format": HUB_LOG_FORMAT}
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
# They look for Django's middlewares; hub.core.middleware.SecurityHeadersMiddleware sends these headers.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002"]
