from django.urls import path

from accounts.api import views

urlpatterns = [
    path("agent/", views.AgentSelf.as_view(), name="api-agent"),
    path("api-keys/", views.KeyCollection.as_view(), name="api-keys"),
    path("api-keys/<uuid:key_id>/", views.KeyItem.as_view(), name="api-key"),
]
