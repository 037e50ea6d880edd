"""Storage of samples, alarms and events: the interface of a store, the stores of a process, and two drivers."""
