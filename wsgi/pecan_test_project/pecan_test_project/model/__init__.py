"""What the project knows, apart from how it is shown."""
