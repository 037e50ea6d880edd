"""What Grove itself runs inside a daemon process. Each release holds a copy."""
