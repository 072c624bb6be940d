"""`pytest --lab LAB`: fixtures for users' own tests against a lab."""
