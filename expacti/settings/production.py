"""Production: TLS only, secrets required, nothing permissive. Refuses to start otherwise."""

from django.core.exceptions import ImproperlyConfigured

from expacti.settings.base import *
from expacti.settings.base import ALLOWED_HOSTS, PUBLIC_URL, SECRET_KEY, env

MIN_SECRET_CHARS = 50

if env.flag("DEBUG", default=False) or env.flag("DJANGO_DEBUG", default=False):
    raise ImproperlyConfigured("DEBUG is set. Remedy: unset it; production has no debug mode.")
if any("*" in host or host.startswith(".") for host in ALLOWED_HOSTS):
    raise ImproperlyConfigured("EXPACTI_ALLOWED_HOSTS holds a wildcard. Remedy: name each host in full.")
if not PUBLIC_URL.startswith("https://"):
    raise ImproperlyConfigured("EXPACTI_PUBLIC_URL is not https. Remedy: set the public https:// URL.")
if len(SECRET_KEY) < MIN_SECRET_CHARS:
    raise ImproperlyConfigured("EXPACTI_SECRET_KEY is too short. Remedy: openssl rand -base64 48.")

SECURE_SSL_REDIRECT = env.flag("EXPACTI_SSL_REDIRECT", default=True)
# Probes ask inside, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 2 * 365 * 86_400
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-expacti_session"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-expacti_csrf"
if env.flag("EXPACTI_BEHIND_TLS_PROXY", default=False):
    # Only where the proxy sets this header itself and drops the client's.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = False
