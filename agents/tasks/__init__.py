"""The jobs that agents do, one file each. To add one, write its file and list it in its agent's `tasks`."""
