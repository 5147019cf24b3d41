from django.urls import path

from approvals.consumers import ReviewerConsumer

websocket_urlpatterns = [path("ws/reviewer/", ReviewerConsumer.as_asgi())]
