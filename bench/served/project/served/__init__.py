"""The Pecan application that bench/servers.py measures under several servers."""
