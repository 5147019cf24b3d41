from django.urls import path

from approvals.views import history, queue, whitelist

urlpatterns = [
    path("", queue.queue, name="queue"),
    path("queue/list/", queue.queue_list, name="queue-list"),
    path("queue/cards/<uuid:command_id>/", queue.queue_card, name="queue-card"),
    path("commands/", history.history, name="history"),
    path("commands/<uuid:command_id>/", queue.command_detail, name="command-detail"),
    path("commands/<uuid:command_id>/decide/", queue.command_decide, name="command-decide"),
    path(
        "commands/<uuid:command_id>/whitelist/",
        whitelist.command_whitelist,
        name="command-whitelist",
    ),
]
