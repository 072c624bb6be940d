"""calicoctl's verbs on a lab's datastore, with the real one's tables, messages and exit codes."""
