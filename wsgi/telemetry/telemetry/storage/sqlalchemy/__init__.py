"""The driver for SQLite, PostgreSQL and MariaDB."""
