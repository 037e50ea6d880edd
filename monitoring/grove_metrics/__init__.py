"""Answers a scrape of Prometheus with the metrics of this host's Apache and of the applications behind it.

The program reads what others have written: the counters of Apache's module ``mod_grove_metrics``, Apache's own status,
the processes in /proc, and the datagrams of mod_wsgi. Nothing on the way of a request waits for the program. It uses
the standard library of Python 3.9, and ``prometheus_client`` for the text that Prometheus reads.
"""
