"""Writes: one function per action, state and audit together."""

from accounts.services.agents import (
    CreatedKey,
    create_agent,
    create_api_key,
    disable_agent,
    record_key_refusal,
    revoke_api_key,
    touch_key_use,
)
from accounts.services.backup_codes import create_backup_codes, use_backup_code
from accounts.services.organizations import (
    add_membership,
    change_organization,
    change_role,
    create_organization,
    remove_membership,
)
from accounts.services.people import change_password, change_time_zone, create_user
from accounts.services.second_factor import (
    begin_totp_enrolment,
    confirm_totp,
    remove_totp,
    verify_totp,
)
from accounts.services.sign_in import (
    record_sign_in,
    record_sign_in_failure,
    sign_out,
    switch_organization,
)

__all__ = [
    "CreatedKey",
    "add_membership",
    "begin_totp_enrolment",
    "change_organization",
    "change_password",
    "change_role",
    "change_time_zone",
    "confirm_totp",
    "create_agent",
    "create_api_key",
    "create_backup_codes",
    "create_organization",
    "create_user",
    "disable_agent",
    "record_key_refusal",
    "record_sign_in",
    "record_sign_in_failure",
    "remove_membership",
    "remove_totp",
    "revoke_api_key",
    "sign_out",
    "switch_organization",
    "touch_key_use",
    "use_backup_code",
    "verify_totp",
]
