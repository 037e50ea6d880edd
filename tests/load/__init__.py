"""Load on an application while its release is replaced: the client, its report, and the load app."""
