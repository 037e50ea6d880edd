"""What Grove itself runs inside a daemon process; a copy stands in every release."""
