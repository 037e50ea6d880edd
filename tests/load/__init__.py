"""Load on an application while it is being replaced: client, report, and an application that names its release."""
