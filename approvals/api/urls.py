from django.urls import path

from approvals.api import rule_views, views

urlpatterns = [
    path("commands/", views.CommandCollection.as_view(), name="api-commands"),
    path("commands/<uuid:command_id>/", views.CommandItem.as_view(), name="api-command"),
    path("commands/<uuid:command_id>/release/", views.CommandRelease.as_view(), name="api-release"),
    path("commands/<uuid:command_id>/result/", views.CommandResult.as_view(), name="api-result"),
    path("commands/<uuid:command_id>/cancel/", views.CommandCancel.as_view(), name="api-cancel"),
    path(
        "commands/<uuid:command_id>/decisions/",
        views.CommandDecisions.as_view(),
        name="api-decisions",
    ),
    path("whitelist/rules/", rule_views.RuleCollection.as_view(), name="api-rules"),
    path("whitelist/rules/<uuid:rule_id>/", rule_views.RuleItem.as_view(), name="api-rule"),
    path("whitelist/simulate/", rule_views.RuleSimulation.as_view(), name="api-simulate"),
    path("policies/", rule_views.PolicyCollection.as_view(), name="api-policies"),
    path("policies/<uuid:policy_id>/", rule_views.PolicyItem.as_view(), name="api-policy"),
]
