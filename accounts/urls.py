from django.urls import path

from accounts.views import agents, security, sign_in

urlpatterns = [
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-in/verify/", sign_in.verify, name="sign-in-verify"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("account/security/", security.security, name="security"),
    path("account/security/authenticator/", security.totp_enrol, name="totp-enrol"),
    path("account/security/backup-codes/", security.backup_codes, name="backup-codes"),
    path("account/security/password/", security.password_change, name="password-change"),
    path("account/organization/", security.organization_switch, name="organization-switch"),
    path("account/preferences/", security.preferences, name="preferences"),
    path("agents/", agents.agents, name="agents"),
    path("agents/new/", agents.agent_create, name="agent-create"),
    path("agents/<uuid:agent_id>/", agents.agent_detail, name="agent-detail"),
    path("agents/<uuid:agent_id>/keys/new/", agents.key_create, name="key-create"),
    path("agents/<uuid:agent_id>/keys/<uuid:key_id>/revoke/", agents.key_revoke, name="key-revoke"),
]
