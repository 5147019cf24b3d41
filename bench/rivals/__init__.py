"""One table four times: plain, with our log, with django-auditlog, with django-simple-history."""
