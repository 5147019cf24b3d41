"""Writes. One service per action, whoever asks: REST, page, admin, schedule."""
