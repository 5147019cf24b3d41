"""Every URL. A new one also joins tests/test_urls.py: nobody 401, another organization's owner 404."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView

from expacti import operations

api: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("approvals.api.urls")),
    path("", include("audit.api.urls")),
    path(
        "schema/",
        SpectacularJSONAPIView.as_view(authentication_classes=[], permission_classes=[]),
        name="api-schema",
    ),
]

urlpatterns = [
    path("", include("approvals.urls")),
    path("", include("accounts.urls")),
    path("", include("audit.urls")),
    path("api/v1/", include(api)),
    path("admin/", admin.site.urls),
    path("healthz", operations.healthz, name="healthz"),
    path("readyz", operations.readyz, name="readyz"),
    path(".well-known/security.txt", operations.security_txt, name="security-txt"),
    path(
        ".well-known/expacti-grant-keys.json",
        operations.grant_keys,
        name="grant-keys",
    ),
]

handler400 = "expacti.errors.bad_request"
handler404 = "expacti.errors.page_not_found"
handler500 = "expacti.errors.server_error"
